"""The tasks of the trip: long, through keys and doors, and frozen."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import tiny
from forethought.configurator import configure
from forethought.data.collection import collect
from forethought.evaluation.task_choice import choose_tasks
from forethought.worlds.rooms.world import RoomsWorld
from forethought.worlds.tasks import load_tasks
from forethought_benchmarks import multi_building
from forethought_benchmarks.multi_building import BUDGET, CHOSEN, OPTIONS, SHORTEST, WORLD, tasks


def test_the_frozen_tasks_are_what_the_program_makes() -> None:
    frozen = load_tasks(str(files("forethought.evaluation").joinpath("manifests", "trip.json")))
    assert frozen == tasks()
    assert choose_tasks(WORLD, OPTIONS, 100, None) == frozen


def test_trips_are_long_and_need_keys() -> None:
    found = choose_tasks(WORLD, OPTIONS, 100, None).tasks
    optimal = [task.optimal_steps or 0.0 for task in found]
    assert len(found) == 100
    assert min(optimal) >= SHORTEST == 300
    assert max(optimal) <= 600
    assert all(task.budget == BUDGET for task in found)
    world = RoomsWorld(100, **OPTIONS)
    world.begin(found)
    keys = world._shortest_path(world.goals, 1, "known")[1].sum(1)
    assert keys.min() >= 2
    assert np.bincount(keys, minlength=4)[3] > 20


def test_three_levels_are_what_the_configurator_chooses(tmp_path: Path) -> None:
    store = collect(WORLD, out=tmp_path, episodes=4, options={**OPTIONS, "carried": multi_building.CARRIED}, workers=0)
    blocks = int(OPTIONS["max_steps"]) // store.block
    found = configure(store.spec, store.block, replace(store.statistics(), length_median=float(blocks), length_max=blocks))
    assert {name: getattr(found.model.hierarchy, name) for name in CHOSEN} == CHOSEN
    dense = configure(store.spec, store.block, store.statistics(), overrides=multi_building.LEARNING)
    changed = dense.model.hierarchy.model_copy(update=CHOSEN)
    assert changed == found.model.hierarchy, "the rest is as it was for four"
    assert dense.planner.upper == found.planner.upper


def test_a_whole_trip_of_a_tiny_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = (
        tiny.SMALL | tiny.LEVELS | {"model.hierarchy.levels": 4, "model.hierarchy.upper_stride": 2, "training.levels_steps": 2}
    )
    alone = {**multi_building.ALONE, "levels-3-alone": {**CHOSEN, "stride": 2}}
    for name, value in (("EPISODES", 8), ("TASKS", 2), ("BUDGET", 10), ("LEARNING", training), ("ALONE", alone)):
        monkeypatch.setattr(multi_building, name, value)
    monkeypatch.setattr(multi_building, "OPTIONS", {**OPTIONS, "max_steps": 160})
    found = multi_building.rows(tmp_path, [0])
    assert json.loads(json.dumps(found)) == found
    acted = {row["agent"] for row in found if row["metric"] == "success_rate"}
    depths = [f"levels-{depth}" for depth in (4, 3, 2)]
    assert acted == {
        *depths,
        *(f"{name}-mode-1" for name in (*depths, *multi_building.ALONE)),
        *multi_building.ALONE,
        "flat",
        "flat-mode-1",
        "oracle-subgoals",
        "random-subgoals",
    }
    calls = {row["agent"]: len(row["model_calls"]) for row in found if row["metric"] == "success_rate"}
    assert [calls[name] for name in (*depths, "flat")] == [4, 3, 2, 1], "the same weights, less the highest level"
    assert {row["agent"] for row in found if row["metric"] == "mcnemar_p"} >= {
        "levels-4 against levels-2",
        "levels-4 against flat",
    }
    assert {"level-1", "level-4"} <= {row["agent"] for row in found if row["metric"] == "rises_along_true_path"}
    assert "carried" not in multi_building.OPTIONS, "tasks begin without keys"
