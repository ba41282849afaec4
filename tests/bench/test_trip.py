"""The tasks of the trip: long, through keys and doors, and frozen."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from forethought.bench.task_choice import choose_tasks
from forethought.bench.trip import BUDGET, OPTIONS, SHORTEST, WORLD, tasks
from forethought.worlds.rooms.world import RoomsWorld
from forethought.worlds.tasks import load_tasks


def test_the_frozen_tasks_are_what_the_program_makes() -> None:
    frozen = load_tasks(str(files("forethought.bench").joinpath("manifests", "trip.json")))
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
    keys = world._quickest(world.goals, 1, "known")[1].sum(1)
    assert keys.min() >= 2
    assert np.bincount(keys, minlength=4)[3] > 20
