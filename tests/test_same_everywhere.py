"""The same seeds give the same store and the same scores, bit for bit: in one process, in two, on a cluster of two nodes."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
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
    "cluster": {"cluster": "auto"},
}
ELSEWHERE = [
    pytest.param("two"),
    pytest.param("cluster", marks=pytest.mark.cluster),
]
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


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """What a test sets is put back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


COLLECTED: Mapping[str, Any] = {"episodes": 150, "seed": 3, "options": {"max_steps": 10}, "progress": False}


def test_stores(asked: Mapping[str, Any], tmp_path: Path) -> None:
    for name, workers in {"here": {"workers": 0}, "there": asked}.items():
        ft.collect(tiny.ROOMS, out=tmp_path / name, **COLLECTED, **workers)
        ft.collect(DOT, out=tmp_path / f"{name}-dots", episodes=6, progress=False, **workers)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
    assert files_of(tmp_path / "there-dots") == files_of(tmp_path / "here-dots")


def test_stores_by_an_agent(asked: Mapping[str, Any], tmp_path: Path) -> None:
    by_agent: dict[str, Any] = {"policy": tiny.rooms_run(), "episodes": 5, "options": tiny.OPTIONS, "progress": False}
    ft.collect(tiny.ROOMS, out=tmp_path / "here", workers=0, **by_agent)
    ft.collect(tiny.ROOMS, out=tmp_path / "there", **by_agent, **asked)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")


def test_scores(asked: Mapping[str, Any]) -> None:
    """Of the agent, of the scripted policies and of the clones; more tasks than one unit has."""
    here = ft.evaluate(tiny.rooms_run(), tasks=20, mode="auto")
    there = ft.evaluate(tiny.rooms_run(), tasks=20, mode="auto", **asked)
    assert here.baselines
    assert scores_of(there) == scores_of(here)


def test_outcomes_of_each_task(asked: Mapping[str, Any], tmp_path: Path) -> None:
    """Of an agent and a clone in hand, and in an adapted environment with goals from a store."""
    agent, options = tiny.rooms_agent(), tiny.OPTIONS
    dots = ft.collect(DOT, out=tmp_path / "dots", episodes=40, workers=0, progress=False)
    cloned = CloneController(clone(agent, tiny.rooms_store()))
    torch.set_num_threads(2)  # as this process does for who has not asked otherwise
    cases: list[tuple[tuple[Any, ...], Any]] = [
        ((tiny.ROOMS, options, 20, None), lambda: AgentController(agent, "plan", seed=2)),
        ((tiny.ROOMS, options, 20, None), lambda: cloned),
        ((DOT, {}, 18, dots), lambda: ScriptedController(registry.policy(DOT, "random"))),
    ]
    for arguments, controller in cases:
        here, there = (
            dataclasses.asdict(make_arena(*arguments, make_executor(**how)).run(controller())) for how in ({}, asked)
        )
        assert here.pop("seconds")
        assert there.pop("seconds")
        assert {name: _plain(value) for name, value in there.items()} == {name: _plain(value) for name, value in here.items()}


def _plain(value: Any) -> Any:
    return value.tobytes() if hasattr(value, "tobytes") else value


@pytest.mark.cluster
def test_a_killed_driver_of_a_cluster_resumes(cluster: Any, tmp_path: Path) -> None:
    script = (
        "import forethought as ft\n"
        f"ft.collect({tiny.ROOMS!r}, out={str(tmp_path / 'killed')!r}, resume=True, cluster='auto', **{dict(COLLECTED)!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not list(tmp_path.glob("killed/shards/.recording*")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "manifest.json").exists()
    ft.collect(tiny.ROOMS, out=tmp_path / "killed", resume=True, cluster="auto", **COLLECTED)
    ft.collect(tiny.ROOMS, out=tmp_path / "here", workers=0, **COLLECTED)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "here")
