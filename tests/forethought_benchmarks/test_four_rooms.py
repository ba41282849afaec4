"""The tasks of H-JEPA's four rooms: as the paper says, and frozen."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

import tiny
from forethought.evaluation import score
from forethought.evaluation.task_choice import choose_tasks
from forethought.worlds.painting import SUCCESS_RADIUS
from forethought.worlds.rooms.layout import make_plan, room_of
from forethought.worlds.rooms.world import RoomsWorld
from forethought.worlds.tasks import load_tasks
from forethought_benchmarks import four_rooms
from forethought_benchmarks.four_rooms import BUDGET, LONGEST, OPTIONS, WORLD, tasks


def test_the_frozen_tasks_are_what_the_program_makes() -> None:
    frozen = load_tasks(str(files("forethought.evaluation").joinpath("manifests", "rooms-four-distractors.json")))
    assert frozen == tasks()
    assert choose_tasks(WORLD, OPTIONS, 100, None) == frozen


def test_tasks_are_the_papers() -> None:
    """2.5 px of 224 a step, to the opposite room, at most 75 steps away, 210 allowed; a door is shut in about half."""
    plan = make_plan("four", OPTIONS["speed"])
    assert abs(plan.speed * 224 / 64 - 2.5) < 1e-9
    assert abs(SUCCESS_RADIUS * 224 / 64 - 16) < 1e-9
    found = tasks().tasks
    assert len(found) == 100
    assert all(task.budget == BUDGET == 210 for task in found)
    assert all(task.optimal_steps is not None and 20 < task.optimal_steps <= LONGEST for task in found)
    world = RoomsWorld(100, **OPTIONS)
    world.begin(found)
    start, goal = room_of(world.layout, world.position), room_of(world.layout, world.goals)
    assert ((start + goal) == 3).all(), "rooms 0 and 3, or 1 and 2, lie opposite"
    assert 0.35 < world.layout.shut.any(1).mean() < 0.65
    assert world.layout.shut.sum(1).max() == 1


def test_all_arms_of_a_tiny_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = (
        tiny.SMALL | tiny.LEVELS | {"model.hierarchy.levels": 2, "model.hierarchy.landmarks": 16, "training.levels_steps": 2}
    )
    patched = {
        "EPISODES": 16,
        "TASKS": 2,
        "BUDGET": 10,
        "LEARNING": training,
        "MINUTES": (),
        "OPTIONS": {**OPTIONS, "max_steps": 160},
    }
    for name, value in patched.items():
        monkeypatch.setattr(four_rooms, name, value)
    # Timing and counting 23 ways to act take longest, and have tests of their own.
    monkeypatch.setattr(score, "latency", lambda *given: (1.0, 2.0))
    monkeypatch.setattr(score, "gflops", lambda *given: 0.1)
    found = four_rooms.rows(tmp_path, [0, 1])
    assert json.loads(json.dumps(found)) == found
    seeds = {row["agent"]: row["seeds"] for row in found if row["metric"] == "success_rate"}
    every = ("levels-2", "levels-2-auto", "levels-3", "levels-3-mode-1", "flat", "oracle-subgoals", "random-subgoals")
    first = ("flat-hard", "levels-2-polished", "levels-4", "shared-latent-2", "graph-top", "true-dynamics")
    assert [seeds[name] for name in every] == [[0, 1]] * len(every)
    assert [seeds[name] for name in first] == [[0]] * len(first)
    calls = {row["agent"]: len(row["model_calls"]) for row in found if row["metric"] == "success_rate"}
    assert [calls[name] for name in ("flat", "levels-2", "levels-3", "levels-4")] == [1, 2, 3, 4]
    pairs = {row["agent"] for row in found if row["metric"] == "success_difference"}
    assert pairs >= {"levels-2 against flat", "levels-3 against flat", "levels-3 against levels-2"}
    gates = {(row["agent"], *row["seeds"]) for row in found if row["metric"] == "distance_in_the_open"}
    assert gates == {(f"level-{level}", seed) for level in (1, 2) for seed in (0, 1)}
