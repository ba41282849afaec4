"""The same seeds give the same store and the same scores, bit for bit: in one process, in two, on a cluster of two nodes."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import forethought as ft
import tiny
from forethought.evaluation.arena import make_arena
from forethought.evaluation.behaviour_cloning import CloneController, clone
from forethought.evaluation.episodes import AgentController, ScriptedController
from forethought.execution import make_executor
from forethought.worlds import registry
from toy_env import DOT

pytestmark = pytest.mark.filterwarnings("ignore")
WORKERS: Mapping[str, Mapping[str, Any]] = {
    "two": {"workers": 2},
    "cluster": {"cluster": "auto", "workers": 2},  # one on each node
}
ELSEWHERE = [
    pytest.param("two"),
    pytest.param("cluster", marks=pytest.mark.cluster),
]
# The outcomes of two processes, and the scores of a cluster, which are made from outcomes; `make slow` has the other two.
SLOW_IN_TWO = [pytest.param("two", marks=pytest.mark.slow), ELSEWHERE[1]]
SLOW_ON_A_CLUSTER = [ELSEWHERE[0], pytest.param("cluster", marks=[pytest.mark.cluster, pytest.mark.slow])]
TIMES = ("ms_per_decision", "ms_per_decision_p95")


@pytest.fixture(params=ELSEWHERE)
def asked(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """What a user asks for: workers and a cluster."""
    if request.param == "cluster":
        request.getfixturevalue("cluster")
    return WORKERS[request.param]


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def scores_of(score: ft.Score) -> dict[str, Any]:
    """All of a score but the milliseconds."""
    return {name: value for name, value in dataclasses.asdict(score).items() if name not in TIMES}


COLLECTED: Mapping[str, Any] = {"episodes": 150, "seed": 3, "options": {"max_steps": 10}, "progress": False}


def two_stores(folder: Path, **how: Any) -> dict[str, bytes]:
    """The files of a store of rooms and of one of an adapted environment."""
    ft.collect(tiny.ROOMS, out=folder / "rooms", **COLLECTED, **how)
    ft.collect(DOT, out=folder / "dots", episodes=6, progress=False, **how)
    return files_of(folder)


@pytest.fixture(scope="module")
def stores_here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return two_stores(tmp_path_factory.mktemp("here"), workers=0)


def test_stores(asked: Mapping[str, Any], stores_here: dict[str, bytes], tmp_path: Path) -> None:
    assert two_stores(tmp_path, **asked) == stores_here


BY_AGENT: Mapping[str, Any] = {"episodes": 5, "options": tiny.OPTIONS, "progress": False}


@pytest.fixture(scope="module")
def store_by_an_agent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("agent") / "here"
    ft.collect(tiny.ROOMS, out=folder, workers=0, policy=tiny.rooms_run(), **BY_AGENT)
    return files_of(folder)


def test_stores_by_an_agent(asked: Mapping[str, Any], store_by_an_agent: dict[str, bytes], tmp_path: Path) -> None:
    ft.collect(tiny.ROOMS, out=tmp_path / "there", policy=tiny.rooms_run(), **BY_AGENT, **asked)
    assert files_of(tmp_path / "there") == store_by_an_agent


@pytest.fixture(scope="module")
def score_here() -> ft.Score:
    return ft.evaluate(tiny.rooms_run(), tasks=20, mode="auto")


@pytest.mark.parametrize("asked", SLOW_IN_TWO, indirect=True)
def test_scores(asked: Mapping[str, Any], score_here: ft.Score) -> None:
    """Of the agent, of the scripted policies and of the clones; more tasks than one unit has."""
    there = ft.evaluate(tiny.rooms_run(), tasks=20, mode="auto", **asked)
    assert score_here.baselines
    assert scores_of(there) == scores_of(score_here)


Case = tuple[tuple[Any, ...], Callable[[], Any]]
"""Arguments of an arena, and what makes its controller."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """An agent and a clone in hand, and an adapted environment with goals from a store."""
    agent, options = tiny.rooms_agent(), tiny.OPTIONS
    dots = ft.collect(DOT, out=tmp_path_factory.mktemp("dots") / "dots", episodes=40, workers=0, progress=False)
    cloned = CloneController(clone(agent, tiny.rooms_store()))
    return [
        ((tiny.ROOMS, options, 20, None), lambda: AgentController(agent, "plan", seed=2)),
        ((tiny.ROOMS, options, 20, None), lambda: cloned),
        ((DOT, {}, 18, dots), lambda: ScriptedController(registry.policy(DOT, "random"))),
    ]


def outcomes(cases: list[Case], **how: Any) -> list[dict[str, Any]]:
    """Of each case, without its time."""
    torch.set_num_threads(2)  # as this process does for who has not asked otherwise
    try:
        found = [dataclasses.asdict(make_arena(*arguments, make_executor(**how)).run(make())) for arguments, make in cases]
    finally:
        torch.set_num_threads(1)
    assert all(one.pop("seconds") for one in found)
    return [{name: _plain(value) for name, value in one.items()} for one in found]


@pytest.fixture(scope="module")
def outcomes_here(cases: list[Case]) -> list[dict[str, Any]]:
    return outcomes(cases)


@pytest.mark.parametrize("asked", SLOW_ON_A_CLUSTER, indirect=True)
def test_outcomes_of_each_task(asked: Mapping[str, Any], cases: list[Case], outcomes_here: list[dict[str, Any]]) -> None:
    assert outcomes(cases, **asked) == outcomes_here


def _plain(value: Any) -> Any:
    return value.tobytes() if hasattr(value, "tobytes") else value


@pytest.mark.cluster
def test_a_killed_driver_of_a_cluster_resumes(cluster: Any, stores_here: dict[str, bytes], tmp_path: Path) -> None:
    script = (
        "import forethought as ft\n"
        f"ft.collect({tiny.ROOMS!r}, out={str(tmp_path / 'killed')!r}, resume=True, **{WORKERS['cluster'] | COLLECTED!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not list(tmp_path.glob("killed/shards/.recording*")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "manifest.json").exists()
    ft.collect(tiny.ROOMS, out=tmp_path / "killed", resume=True, **WORKERS["cluster"], **COLLECTED)
    rooms = {name.removeprefix("rooms/"): content for name, content in stores_here.items() if name.startswith("rooms/")}
    assert files_of(tmp_path / "killed") == rooms
