"""The mazes' arms: a tiny agent from state and from pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from forethought.configurator import configure
from forethought.data.collection import collect
from forethought.evaluation import score
from forethought.training.agent_files import load
from forethought_benchmarks import mazes
from forethought_benchmarks.mazes import AGENTS, GRAPH, MAZES

pytest.importorskip("ogbench", reason="needs the [worlds] extra: run `make worlds`")


@pytest.mark.parametrize("maze", MAZES[:2], ids=lambda maze: maze.name)
def test_all_arms_of_a_tiny_agent(maze: mazes.MazeBenchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {
        "model.hierarchy.landmarks": 16,
        "planner.upper.horizon": 2,
        "planner.upper.search.num_samples": 8,
        "planner.upper.search.num_iterations": 1,
    }
    sized = {
        "planner.upper.search.num_elites": 2,
        "model.hierarchy.hidden": 16,
        "training.levels_steps": 2,
        "training.distances_steps": 2,
    }
    monkeypatch.setattr(mazes, "GRAPH", tiny.SMALL | GRAPH | small | sized)
    learned = {**maze.learned, "stride": 2, "retrieval_size": 32}
    standard = mazes.standard_tasks(maze.world, {"streams": [maze.stream], "max_steps": 100}, 2, 0)
    short = replace(standard, tasks=tuple(replace(task, budget=10) for task in standard.tasks))
    monkeypatch.setattr(mazes, "standard_tasks", lambda *given: short)
    monkeypatch.setattr(score, "latency", lambda *given: (1.0, 2.0))
    monkeypatch.setattr(score, "gflops", lambda *given: 0.1)
    found = replace(maze, episodes=8, steps=100, learned=learned).rows(tmp_path, [0])
    assert json.loads(json.dumps(found)) == found
    calls = {row["agent"]: len(row["model_calls"]) for row in found if row["metric"] == "success_rate"}
    levels = {"levels-3": 3, "levels-3-mode-1": 3, "oracle-subgoals": 2, "random-subgoals": 2}
    assert calls == {variant.name: 1 for variant in AGENTS} | levels
    streams = load(tmp_path / "seed-0").configuration.data.streams
    assert [stream.name for stream in streams] == [maze.stream]


def test_learned_levels_are_what_the_configurator_chooses(tmp_path: Path) -> None:
    store = collect(
        MAZES[0].world, out=tmp_path, episodes=2, options={"streams": ["proprioception"], "max_steps": 50}, workers=0
    )
    for maze in MAZES:
        length = maze.steps // store.block
        seen = replace(store.statistics(), length_median=float(length), length_max=length)
        chosen = configure(store.spec, store.block, seen).model.hierarchy
        assert {name: getattr(chosen, name) for name in maze.learned} == maze.learned, maze.name
