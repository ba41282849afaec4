"""Benchmark tasks: to a place beyond, from where going on at full speed is a gamble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import TaskSet, WorldTask
from forethought.worlds.highway.policies import GENTLE
from forethought.worlds.highway.safety import MARGIN, clearance, drive, nearest_ahead
from forethought.worlds.highway.scenes import STEP, Floats, Scene
from forethought.worlds.highway.traffic import Draw, foretell
from forethought.worlds.highway.world import MAX_STEPS, NEAR, SUCCESS, HighwayMaker

STREAM = 0x7A5E
"""Second word of the seed of what a task draws."""
BUDGET = MAX_STEPS
"""Steps of a task: time to wait until the driver has shown himself and to go then."""
SPEEDS = 0.5, 0.8
"""A task starts at such a share of the highest speed."""
FINE = 400
"""Starts that are tried."""
DEEP = 0.5
"""A crash is certain where the cars' boxes would overlap by this much, m."""


def make_highway_tasks(name: str, options: Mapping[str, Any], seeds: Sequence[int]) -> TaskSet:
    """One task per seed; task i is a function of `seeds[i]`, the place and the length of a block.

    Each starts, before the driver has shown what he means, where going on at full speed ends in a crash if he does not give
    way, and ends well if he does; and where, if there is any such start in this traffic, to brake at the first block after
    he has shown it is too late. There is room to stop at the line. `optimal_steps` is the way at full speed, to the edge of
    the success radius.
    """
    maker = HighwayMaker(name, options)
    tasks = tuple(_task(maker, int(seed)) for seed in seeds)
    return TaskSet(world=name, options=maker.spec.options, success=SUCCESS, tasks=tasks)


def _task(maker: HighwayMaker, seed: int) -> WorldTask:
    scene, draw = maker.scene, Draw.of(seed)
    u = np.random.default_rng((seed, STREAM)).random(3)
    speed = scene.top * (SPEEDS[0] + (SPEEDS[1] - SPEEDS[0]) * float(u[0]))
    paths = {yields: foretell(maker.street, draw, yields, BUDGET) for yields in (False, True)}
    starts = np.linspace(*scene.starts, FINE)
    gambles, late = _gambles(scene, starts, np.full(FINE, speed), paths, maker.spec.block)
    fits = np.flatnonzero(late if late.any() else gambles)
    if not len(fits):
        raise ForethoughtError(f"World {maker.spec.name!r} has no gamble in the traffic of seed {seed}; give another seed.")
    # The k-th such start, k uniform.
    start = round(float(starts[fits[int(u[1] * len(fits))]]), 3)
    goal = round(scene.goals[0] + (scene.goals[1] - scene.goals[0]) * float(u[2]), 3)
    way = drive(scene, np.array([start]), np.array([speed]), np.ones(BUDGET))[0]
    return WorldTask(seed, (start, round(speed, 3)), (goal,), float(np.argmax(way >= goal - NEAR)), BUDGET)


def _gambles(
    scene: Scene, starts: Floats, speeds: Floats, paths: Mapping[bool, Floats], block: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which starts [K] make going on a gamble, and of which of these one can't turn back when the driver has shown himself.

    `paths`: what the cars will do in either case, [T, cars, 4] each.
    """
    told = int(np.argmax(np.abs(paths[True] - paths[False]).max((1, 2)) > 0))
    until = -(-told // block) * block
    braked = drive(scene, starts, speeds, np.where(np.arange(BUDGET) < until, 1.0, -1.0))
    room = scene.line - starts > speeds**2 / (2 * GENTLE) + speeds * block * STEP
    ahead = {yields: nearest_ahead(scene, starts, speeds, cars) for yields, cars in paths.items()}
    gambles = np.asarray((ahead[True] > MARGIN) & (ahead[False] < -DEEP) & room)
    return gambles, gambles & (clearance(scene, braked, paths[False]).min(-1) < -DEEP)
