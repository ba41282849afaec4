"""Tasks of worlds whose episodes begin with a goal of their own (`desired_goal`): the goals that their resets ask for."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import Episode, TaskSet, WorldTask
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.env_adapter import ACHIEVED, DESIRED, SUCCESS
from forethought.worlds.random_streams import task_seed

log = logging.getLogger(__name__)

TRIES = 10
"""Resets for each wanted task: a goal that is reached at the start makes no task."""
CHECKED_RESETS = 3
"""Number of resets that are repeated, to see that the seed decides the goal."""


def tasks_from_own_goals(world: GymnasiumWorld, episodes: Iterator[tuple[int, Episode]], number: int, seed: int) -> TaskSet:
    """Tasks with the world's own goals: task i begins at the reset with `task_seed(seed, i)`, and asks for what it asks for.

    The agent's goal is an observation. It is the stream `achieved_goal`, set to the desired goal, if the agent observes it;
    else the recorded row whose achieved goal is nearest to the desired one (`goal_rows`), and it is logged how many tasks
    have a row that reaches their goal.

    Args:
        world: one copy; its maker has `own_goals`.
        episodes: number and content of the held-out episodes.
        number: tasks wanted; fewer where most goals are reached at the start.
        seed: of the set.

    Raises:
        ForethoughtError: the same seed gives other goals, every goal is reached at the start, or no episode is held out.
    """
    found = _draw(world, number, seed)
    spec = world.spec
    tasks = tuple(WorldTask(task, None, tuple(goal.tolist()), None, spec.max_steps) for task, goal in found)
    if spec.goals:
        return TaskSet(spec.name, spec.options, world.maker.success, tasks)
    goals = np.stack([goal for _, goal in found])
    return TaskSet(spec.name, spec.options, world.maker.success, tasks, _nearest_rows(world, episodes, goals))


def _draw(world: GymnasiumWorld, number: int, seed: int) -> list[tuple[int, NDArray[np.float32]]]:
    """Seed and desired goal of up to `number` episodes that do not begin at their goal."""
    found: list[tuple[int, NDArray[np.float32]]] = []
    for index in range(TRIES * number):
        own = task_seed(seed, index)
        truth = world.reset([own]).truth
        if index < CHECKED_RESETS and not np.array_equal(world.reset([own]).truth[DESIRED], truth[DESIRED]):
            raise ForethoughtError(
                f"World {world.spec.name!r} asks for other goals at the same seed: draw them from the seed of reset(), or "
                "collect with the option goals='episodes', which takes goals from held-out episodes."
            )
        if not truth[SUCCESS][0, 0]:
            found.append((own, truth[DESIRED][0].copy()))
        if len(found) == number:
            break
    if not found:
        raise ForethoughtError(
            f"World {world.spec.name!r} counts its own goal as reached at the start of each of {TRIES * number} episodes: its "
            "success says nothing; correct it, or collect with the option goals='episodes'."
        )
    return found


def _nearest_rows(
    world: GymnasiumWorld, episodes: Iterator[tuple[int, Episode]], goals: NDArray[np.float32]
) -> tuple[tuple[int, int], ...]:
    """(episode, row) whose achieved goal is nearest to each goal [N, G], each number in units of its spread over the rows."""
    places, achieved = [], []
    for number, episode in episodes:
        if ACHIEVED not in episode.truth:
            raise ForethoughtError(
                f"The {world.spec.name!r} store was collected before the world's own goals were kept: collect it again, or "
                "with the option goals='episodes'."
            )
        places += [(number, row) for row in range(len(episode) + 1)]
        achieved.append(np.asarray(episode.truth[ACHIEVED], np.float64))
    if not places:
        raise ForethoughtError(
            f"The {world.spec.name!r} store has no held-out episode to show its goals: collect more episodes."
        )
    table = np.concatenate(achieved)
    scale = np.maximum(table.std(axis=0), 1e-6)
    nearest = [int(np.argmin((((table - goal) / scale) ** 2).sum(axis=1))) for goal in goals]
    seen = sum(world.fulfils(table[row].astype(np.float32), goal) for row, goal in zip(nearest, goals, strict=True))
    if seen < len(goals):
        log.warning(
            "World %r: the held-out episodes show %d of the %d goals that it asks for, and the nearest row stands for the "
            "others. Add 'achieved_goal' to streams to give the agent its goals exactly, or collect more episodes",
            world.spec.name, seen, len(goals),
        )  # fmt: skip
    return tuple(places[row] for row in nearest)
