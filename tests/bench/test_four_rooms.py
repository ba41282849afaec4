"""The tasks of H-JEPA's four rooms: as the paper says, and frozen."""

from __future__ import annotations

from importlib.resources import files

from forethought.bench.four_rooms import BUDGET, LONGEST, OPTIONS, WORLD, tasks
from forethought.bench.task_choice import choose_tasks
from forethought.worlds.painting import SUCCESS_RADIUS
from forethought.worlds.rooms.layout import make_plan, room_of
from forethought.worlds.rooms.world import RoomsWorld
from forethought.worlds.tasks import load_tasks


def test_the_frozen_tasks_are_what_the_program_makes() -> None:
    frozen = load_tasks(str(files("forethought.bench").joinpath("manifests", "rooms-four-distractors.json")))
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
