"""`bench scaling`: what counts as efficiency, that a wrong result is seen, and the tables."""

from __future__ import annotations

import importlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from forethought.errors import ForethoughtError
from forethought.execution import Processes
from forethought_benchmarks.scaling import faults, protocol
from forethought_benchmarks.scaling.throughput import ScalingProtocol, Sleep, scaling_row, sleeping, units_per_second
from forethought_benchmarks.tables import rewrite

QUICK = ScalingProtocol(sleepers=(2,), seconds=0.2, rounds=3, faults=1)


def test_sleeping_workers_measure_the_drivers_overhead(tmp_path: Path) -> None:
    rate = units_per_second(Processes(2), [], [Sleep(number, 0.2) for number in range(8)], tmp_path / "muster")
    assert 6 < rate < 10, "2 workers, 5 units a second each at the most"


def test_efficiency_is_against_one_worker_without_overhead() -> None:
    assert scaling_row("sleeps", "processes", 8, 36.0, 5.0, 80)["efficiency"] == pytest.approx(0.9)


def test_the_parts_keep_one_anothers_rows_and_make_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {
        "sleeping": [scaling_row("sleeps 1 s", name, n, 0.95 * n, 1.0, 10) for n in (1, 64) for name in ("processes", "ray")],
        "faults": [{"world": "faults", "agent": "node removed", "value": 0, "faults": 10}],
    }
    monkeypatch.setattr(protocol, "PARTS", {part: lambda out, asked, rows=rows: rows for part, rows in made.items()})
    protocol.run(tmp_path, ["faults"])
    protocol.run(tmp_path, ["sleeping"])
    path = protocol.run(tmp_path, ["faults"])
    rows = json.loads(path.read_text())["rows"]
    assert [row["part"] for row in rows] == ["sleeping"] * 4 + ["faults"]
    page = "<!-- table scaling summary=scaling -->\n<!-- /table -->\n<!-- table scaling summary=faults -->\n<!-- /table -->\n"
    shown = rewrite(page, tmp_path)
    assert "| sleeps 1 s | 64 | 60.8 (0.95) | 60.8 (0.95) |" in shown
    assert "| node removed | 10 | 0 |" in shown
    with pytest.raises(ForethoughtError, match="has no part 'sleping'.*did you mean 'sleeping'"):
        protocol.run(tmp_path, ["sleping"])


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_sleeping_on_both_executors(tmp_path: Path) -> None:
    if importlib.import_module("ray").is_initialized():
        importlib.import_module("ray").shutdown()
    rows = sleeping(tmp_path, QUICK)
    assert [(row["executor"], row["workers"]) for row in rows] == [("processes", 2), ("ray, 2 nodes", 2)]
    assert all(0.5 < row["efficiency"] <= 1.02 for row in rows)


class Node:
    """A node of no cluster."""


class NoCluster:
    def list_all_nodes(self) -> list[Node]:
        return []


def test_without_work_no_fault_happens() -> None:
    assert faults.carriers(NoCluster()) == []
    assert not faults.kill_a_carrier(NoCluster(), random.Random(0))
    with faults.TimedFault(NoCluster(), lambda: True, 0.0) as fault:
        pass
    assert not fault.happened


def test_a_wrong_result_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        def __enter__(self) -> NoCluster:
            return NoCluster()

        def __exit__(self, *raised: object) -> None:
            pass

    def meet(cluster: Any, job: str, out: Path, chance: random.Random) -> tuple[dict[str, str], bool]:
        return {"digest": "as expected" if job == "collect" else "another one"}, True

    def right(out: Path, executor: Any) -> dict[str, str]:
        return {"digest": "as expected"}

    monkeypatch.setattr(faults, "local_cluster", Nothing)
    monkeypatch.setattr(faults, "JOBS", {"collect": right, "evaluate": right})
    monkeypatch.setattr(faults, "FAULTS", {"made up": meet})
    (row,) = list(faults.injected(tmp_path, 4))
    assert (row["faults"], row["value"]) == (4, 2)
