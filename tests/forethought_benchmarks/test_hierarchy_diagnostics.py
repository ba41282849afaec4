"""Gates: figures of every level, from the expert's true paths."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena, make_arena
from forethought.worlds.tasks import make_tasks
from forethought_benchmarks import hierarchy_diagnostics as bench
from forethought_benchmarks.hierarchy_diagnostics import gates, guidance, shares, true_pairs, true_paths

ARENA = make_arena(tiny.ROOMS, tiny.OPTIONS, make_tasks(tiny.ROOMS, tiny.OPTIONS, 5, 4))


def test_a_true_distance_is_a_perfect_guide() -> None:
    _, _, true = true_paths(tiny.three_level_agent(), ARENA)
    assert (np.diff(true, axis=0) <= 1e-6).all(), "the expert gets nearer"
    assert guidance(true / 5, true) == {"distance_rank_correlation": pytest.approx(1.0), "rises_along_true_path": 0.0}
    backwards = guidance(-true, true)
    assert backwards["distance_rank_correlation"] == pytest.approx(-1.0, abs=0.05)
    assert backwards["rises_along_true_path"] > 0.9


def test_paths_begin_at_the_start_and_end_at_the_goal() -> None:
    states, goals, true = true_paths(tiny.three_level_agent(), ARENA)
    assert states.shape[1:] == goals.shape == (5, 16)
    assert len(states) == len(true)
    assert true[0] == pytest.approx([task.optimal_steps for task in ARENA.tasks.tasks], rel=0.1, abs=5.0)
    assert (true[-1] < true[0] / 2).all()
    assert (true[-1] < 8).all(), "steps left after the last decision"


def test_each_level_has_its_figures() -> None:
    agent, store = tiny.three_level_agent(), tiny.long_store()
    found = gates(agent, store, ARENA)
    assert list(found) == ["level-1", "level-2", "level-3"]
    for figures in found.values():
        assert {"probe_position_r2", "distance_rank_correlation", "rises_along_true_path"} <= set(figures)
        assert {"distance_in_the_open", "distance_round_walls"} <= set(figures)
        assert all(np.isfinite(value) for value in figures.values())
    with torch.no_grad():
        agent.modules.above[0].level.encoder[-1].weight.zero_()
    broken = gates(agent, store, ARENA)
    assert broken["level-1"] == found["level-1"]
    assert broken["level-2"]["rises_along_true_path"] == 0.0, "everything is equally far from a state that says nothing"
    assert broken["level-2"]["probe_position_r2"] <= 0.001 < found["level-2"]["probe_position_r2"]


def test_figures_of_other_tasks_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def measured(agent: Agent, store: EpisodeStore, arena: Arena) -> dict[str, dict[str, float]]:
        asked.append(len(arena.tasks.tasks))
        return {"level-1": {"probe_position_r2": 1 / len(arena.tasks.tasks)}}

    monkeypatch.setattr(bench, "gates", measured)
    run = shutil.copytree(tiny.three_level_run(), tmp_path / "run")
    other = make_arena(tiny.ROOMS, tiny.OPTIONS, make_tasks(tiny.ROOMS, tiny.OPTIONS, 4, 4))
    values = [bench.gate_rows("rooms", [run], tiny.long_store(), arena, [0])[0]["value"] for arena in (ARENA, ARENA, other)]
    assert values == [0.2, 0.2, 0.25]
    assert asked == [5, 4]


def test_pairs_are_near_and_some_lie_round_a_wall() -> None:
    states, goals, way, straight = true_pairs(tiny.three_level_agent(), ARENA)
    assert states.shape == goals.shape == (len(way), 16)
    assert (way >= straight - 1e-6).all()
    assert (straight <= 14.0 / 5 + 1e-6).all(), "a pixel a step, five steps a block"
    assert shares(np.ones(len(way)), way, straight) == {"distance_in_the_open": 1.0, "distance_round_walls": 1.0}
    blind = shares(straight / way, way, straight)
    assert blind["distance_in_the_open"] > 0.9, "who sees no walls is right in the open"
    assert blind["distance_round_walls"] < 0.6
    open_alone = shares(np.ones(3), np.full(3, 2.0), np.full(3, 2.0))
    assert open_alone == {"distance_in_the_open": 1.0}
