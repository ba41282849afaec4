"""Benchmark tasks: the goal is beyond the conflict zone, and full speed from the start is a gamble."""

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
"""Second word of the seed of a task's samples."""
BUDGET = MAX_STEPS
"""Steps of a task: enough to wait until the intent is visible, and then to drive to the goal."""
SPEEDS = 0.5, 0.8
"""Range of a task's initial speed, as a share of the maximum speed."""
FINE = 400
"""Number of candidate starts."""
DEEP = 0.5
"""Overlap of the cars' boxes that counts as a certain crash, m."""


def make_highway_tasks(name: str, options: Mapping[str, Any], seeds: Sequence[int]) -> TaskSet:
    """One task per seed; task i is a function of `seeds[i]`, the scene and the length of a block.

    The start is before the intent becomes visible. From there, full speed is safe if the driver yields, and ends in a crash
    otherwise. Braking at the first block after the intent is visible is too late, if this traffic has such a start. Stopping
    at the line is possible. `optimal_steps` is the drive at full speed, to the edge of the success radius.
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
    """Starts [K] from which full speed is a gamble, and those of them where braking is too late once the intent is visible.

    `paths`: future states of the cars for either intent, [T, cars, 4] each.
    """
    told = int(np.argmax(np.abs(paths[True] - paths[False]).max((1, 2)) > 0))
    until = -(-told // block) * block
    braked = drive(scene, starts, speeds, np.where(np.arange(BUDGET) < until, 1.0, -1.0))
    room = scene.line - starts > speeds**2 / (2 * GENTLE) + speeds * block * STEP
    ahead = {yields: nearest_ahead(scene, starts, speeds, cars) for yields, cars in paths.items()}
    gambles = np.asarray((ahead[True] > MARGIN) & (ahead[False] < -DEEP) & room)
    return gambles, gambles & (clearance(scene, braked, paths[False]).min(-1) < -DEEP)
