"""Benchmark tasks at the crossing: from one sidewalk to the other, at a moment when haste is a gamble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forethought.errors import ForethoughtError
from forethought.types import TaskSet, WorldTask
from forethought.worlds.crossing.ground import HIGH, LEFT, LOW, RIGHT, SPEED, heading, walk
from forethought.worlds.crossing.policies import unhurt
from forethought.worlds.crossing.traffic import REACTION
from forethought.worlds.crossing.world import NAME, SUCCESS, CrossingWorld
from forethought.worlds.painting import SUCCESS_RADIUS, Floats
from forethought.worlds.random_streams import as_seeds, counter, uniform

SEED_TASK = 72
NEAR_KERB = 8.0
"""A task starts at most so far from the kerb, in pixels."""
MOMENTS = 40
"""Moments that are tried, in steps into the traffic."""
_BUDGET = 150


def make_crossing_tasks(options: Mapping[str, Any], seeds: Sequence[int]) -> TaskSet:
    """One task per seed; task i is a function of `seeds[i]` and the options.

    Each starts near the kerb at a moment when going straight ahead ends under the car if its driver is late, and well if he
    is not. `optimal_steps` is the way without traffic, to the edge of the success radius. The budget is 150 steps: time to
    let the car pass or stop.
    """
    u = uniform(as_seeds(seeds), counter(SEED_TASK), 5)
    start = np.stack([LEFT - NEAR_KERB * u[:, 0], 32.0 + 16.0 * u[:, 1]], 1)
    goal = np.stack([RIGHT + 4.0 + (HIGH - RIGHT - 4.0) * u[:, 2], LOW + (HIGH - LOW) * u[:, 3]], 1)
    moment = _gambles(options, seeds, start, goal, u[:, 4])
    steps = _walked(start, goal)
    tasks = tuple(
        WorldTask(int(seed), (*map(float, place.round(3)), float(when)), tuple(map(float, aim.round(3))), float(way), _BUDGET)
        for seed, place, when, aim, way in zip(seeds, start, moment, goal, steps, strict=True)
    )
    return TaskSet(world=NAME, options=CrossingWorld(1, **options).spec.options, success=SUCCESS, tasks=tasks)


def _gambles(options: Mapping[str, Any], seeds: Sequence[int], start: Floats, goal: Floats, u: Floats) -> Floats:
    """A moment [N] for each task at which going ahead ends well if the driver stops, badly if he does not."""
    world, never = CrossingWorld(len(seeds), **options), np.zeros(len(seeds), dtype=np.bool_)
    found = []
    for moment in range(MOMENTS):
        places = [(x, y, float(moment)) for x, y in start.tolist()]
        world.begin([WorldTask(int(s), place, (0.0, 0.0), None, 1) for s, place in zip(seeds, places, strict=True)])
        open_question = world.traffic.since < REACTION
        found.append(unhurt(world, goal, never) & ~unhurt(world, goal, ~never) & open_question)
    gamble = np.stack(found, 1)
    if not gamble.any(1).all():
        raise ForethoughtError("Crossing found no moment for a task; give it another seed.")
    # The k-th such moment, k uniform.
    rank = np.argsort(~gamble, axis=1, kind="stable")
    return np.take_along_axis(rank, (u * gamble.sum(1)).astype(np.int64)[:, None], 1)[:, 0].astype(np.float64)


def _walked(start: Floats, goal: Floats) -> Floats:
    """Steps of the way without traffic, [N]."""
    position, steps = start, np.zeros(len(start))
    for _ in range(2 * int(HIGH)):
        apart = np.hypot(*(position - goal).T) >= SUCCESS_RADIUS
        steps += apart
        position = np.where(apart[:, None], walk(position, SPEED * heading(position, goal)), position)
    return steps
