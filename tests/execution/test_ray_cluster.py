"""Ray: two nodes on this machine; hosts, nodes and drivers that are killed, and an object store that is full."""

from __future__ import annotations

import importlib
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from units import Hosted, Once, Square, Where

from forethought.errors import ForethoughtError
from forethought.execution import RayCluster, pool, run_units
from forethought_benchmarks.scaling.faults import full_object_store
from forethought_benchmarks.scaling.local_cluster import add_node, raylet_of

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import the units by their module's name."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


def test_results_messages_and_the_log_come_to_the_driver(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    executor, heard = RayCluster(cluster.address), list[int]()
    assert executor.workers == 4, "all CPUs of both nodes"
    with caplog.at_level(logging.INFO):
        units = [Square(number) for number in range(6)]
        found = {unit.number: result for unit, result in run_units(executor, units, hear=lambda unit, said: heard.append(said))}
    assert {number: square for number, (square, _) in found.items()} == {number: number**2 for number in range(6)}
    assert sorted(heard) == list(range(6))
    assert [record.getMessage() for record in caplog.records if record.name == "units"].count("squared 3") == 1
    assert os.getpid() not in {process for _, process in found.values()}


def test_both_nodes_work(cluster: Any) -> None:
    used = {result[0] for _, result in run_units(RayCluster("auto", 4), [Where(number, seconds=0.5) for number in range(8)])}
    assert len(used - {""}) == 2


@pytest.mark.parametrize("trouble", ["die", pytest.param("hang", marks=pytest.mark.slow)])
def test_a_lost_unit_is_done_again_and_not_for_ever(
    trouble: str, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "STARTUP", 2.0)
    executor = RayCluster("auto", 2)
    once = [Once(tmp_path, number, trouble) for number in (1, 2)]
    assert sorted(result for _, result in run_units(executor, once, patience=2.0)) == [1, 2]
    with pytest.raises(ForethoughtError, match=f"{trouble} 3 was lost again and again"):
        list(run_units(executor, [Once(tmp_path, 3, trouble, times=9)], patience=2.0))


def test_a_ray_process_that_is_killed_is_no_fault_of_the_unit(cluster: Any, tmp_path: Path) -> None:
    """More often than a unit may die by itself."""
    hosted = [Hosted(tmp_path, number, "host", times=4) for number in range(2)]
    assert sorted(result for _, result in run_units(RayCluster("auto", 2), hosted)) == [0, 1]
    assert len(list(tmp_path.glob("host 0-*"))) == 4


@pytest.mark.slow
def test_a_node_that_is_removed_costs_its_unfinished_units(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    third = add_node(cluster)
    raylet, found = str(raylet_of(third)), list[int]()
    with caplog.at_level(logging.WARNING):
        for unit, (place, _) in run_units(RayCluster("auto", 6), [Where(number, seconds=1.5) for number in range(18)]):
            found.append(unit.number)
            if place == raylet:
                cluster.remove_node(third)  # it has begun another unit by now, or is about to
                raylet = ""
    assert raylet == "", "the third node worked"
    assert sorted(found) == list(range(18)), "each once"
    assert "is done again: its node or its Ray process is gone" in caplog.text


def test_results_pass_a_full_object_store(cluster: Any) -> None:
    executor = RayCluster("auto", 4)
    with full_object_store():
        found = {unit.number: len(result[1]) for unit, result in run_units(executor, [Where(n, 2**20) for n in range(40)])}
    assert found == dict.fromkeys(range(40), 2**20)


def test_a_process_works_on_one_cluster(cluster: Any) -> None:
    assert RayCluster(cluster.address).workers == RayCluster("auto").workers == 4
    with pytest.raises(ForethoughtError, match=f"works on the Ray cluster at {cluster.address}"):
        RayCluster("elsewhere:6379")


def test_without_a_cluster_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = importlib.import_module("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def refuse(**asked: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ForethoughtError, match=r"no Ray cluster at 'auto' .* start one with `ray start --head`"):
        RayCluster()
