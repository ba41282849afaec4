"""A success test that follows from the data: the threshold is measured on tasks that the random policy tries.

A threshold is right if it tells a reached goal from another state. Both are measured before any training: how far the goals
are from the starts, and how near the random policy comes to them.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import Observation, TaskSet, WorldTask
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.contract import ScriptedPolicy
from forethought.worlds.env_adapter import WorldCrashed

log = logging.getLogger(__name__)

SUCCESS_OPTIONS = ("success_distance", "state_scale", "success_pixels")
"""Options of a success test by distance."""
RANDOM_SHARE, START_SHARE = 0.2, 0.25
"""A derived threshold is met by the random policy in this share of the tasks, and is at most this share of the median distance
between start and goal."""
WEAK_TEST, NO_TEST, FEWEST_TRIALS = 0.5, 0.9, 8
"""A threshold that the random policy meets in the first share of the tasks says little, in the second nothing; fewer trials
than the third number decide nothing."""
ACTION_SHIFT = 0x5EED
"""Added to a task's seed for the random policy: data of the random policy has the task's own seed, and would be repeated."""


@dataclass(frozen=True)
class RandomTrials:
    """What the random policy did in N tasks, as distances of the success test.

    Fields:
        start: float64 [N], from the start to the goal; infinity where what must be equal differs.
        closest: float64 [N], the smallest one within the budget.
        smallest: the smallest distance above 0 in any trial; infinity if there was none.
    """

    start: NDArray[np.float64]
    closest: NDArray[np.float64]
    smallest: float

    def share_within(self, threshold: float) -> float:
        """Share of the tasks that the random policy solves under a threshold."""
        return float((self.closest <= threshold).mean()) if len(self.closest) else 0.0

    def share_at_start(self, threshold: float) -> float:
        """Share of the tasks whose start already passes."""
        return float((self.start <= threshold).mean()) if len(self.start) else 0.0

    def share_of_tasks(self, threshold: float) -> tuple[float, int]:
        """The share of `share_within` over the trials that are tasks, which do not begin at the goal, and their number."""
        tasks = self.start > threshold
        return (float((self.closest[tasks] <= threshold).mean()) if tasks.any() else 0.0), int(tasks.sum())

    def threshold(self) -> float | None:
        """The derived threshold, with two digits; None if no goal differs from its start."""
        apart = self.start > 0
        if not apart.any():
            return None
        finite = self.start[apart & np.isfinite(self.start)]
        limit = START_SHARE * float(np.median(finite)) if len(finite) else math.inf
        closest = np.sort(self.closest[apart])
        # Interpolation between infinities gives NaN.
        exact = np.isfinite(closest).all()
        near = float(np.quantile(closest, RANDOM_SHARE) if exact else closest[int(RANDOM_SHARE * len(closest))])
        # Where states are discrete, the random policy stands exactly at goals: less than the smallest difference means equal.
        value = min(limit, near) if near > 0 else min(limit, self.smallest / 2)
        if not math.isfinite(value):
            return None
        return _two_digits(value)


def _two_digits(value: float) -> float:
    """Rounded down to two significant digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.floor(value / unit + 1e-9) * unit:.2g}")


def try_randomly(world: GymnasiumWorld, policy: ScriptedPolicy, tasks: TaskSet, goals: Observation) -> RandomTrials:
    """Act randomly in each task, one after the other, in one copy.

    Args:
        world: one copy. policy: the random policy. tasks: the tasks. goals: their observations, stream -> [N, ...].

    A task in which the environment crashes is left out.
    """
    start, closest, smallest = [], [], math.inf
    for index, task in enumerate(tasks.tasks):
        goal = {name: values[index : index + 1] for name, values in goals.items()}
        try:
            distances = _distances(world, policy, task, goal)
        except WorldCrashed:
            continue
        start.append(distances[0])
        closest.append(min(distances))
        smallest = min([smallest, *(distance for distance in distances if distance > 0)])
    return RandomTrials(np.array(start, np.float64), np.array(closest, np.float64), smallest)


def _distances(world: GymnasiumWorld, policy: ScriptedPolicy, task: WorldTask, goal: Observation) -> list[float]:
    """Distance to the goal at each step of one random episode, the start included."""
    frame = world.begin([task])
    world.set_goal_observation(goal)
    policy.reset(world, [task.seed + ACTION_SHIFT])
    distances = [world.goal_distance(0)]
    for _ in range(task.budget):
        if frame.ended[0]:
            break
        frame = world.step(policy.act(world, frame))
        distances.append(world.goal_distance(0))
    return distances


def scales_of(states: NDArray[np.float32]) -> tuple[float, ...]:
    """Standard deviation of each value over states [rows, S]; 1 for a value that never changes."""
    exact = states.astype(np.float64)
    spread, size = exact.std(axis=0), np.abs(exact).max(axis=0, initial=0.0)
    return tuple(float(f"{one:.3g}") if one > 1e-6 * max(1e-6, most) else 1.0 for one, most in zip(spread, size, strict=True))


def require_a_test(trials: RandomTrials, option: str, threshold: float) -> None:
    """Check a threshold that was given; one that the random policy meets in half of the tasks is logged.

    Raises:
        ForethoughtError: the random policy meets it in nearly all tasks.
    """
    count, share = len(trials.closest), trials.share_within(threshold)
    if count < FEWEST_TRIALS or share < WEAK_TEST:
        return
    advised, started = trials.threshold(), trials.share_at_start(threshold)
    less = f"{option} = {advised:g}" if advised is not None and advised < threshold else "a smaller one"
    begun = f" ({started:.0%} begin there)" if started else ""
    kind = "no" if share >= NO_TEST else "a weak"
    sentence = (
        f"The success threshold {option} = {threshold:g} is {kind} test: random actions meet it in {share:.0%} of {count} "
        f"held-out tasks{begun}; train with {less}, or with {option} = null, which derives it from the data (`--success`)."
    )
    if share >= NO_TEST:
        raise ForethoughtError(sentence)
    log.warning(sentence)
