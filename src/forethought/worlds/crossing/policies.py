"""Scripted policies for collection, for the random floor and for the expert ceiling; they read the true state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from forethought.types import Frame
from forethought.worlds.box_actions import RandomPolicy
from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.crossing.ground import HIGH, LEFT, LOW, RIGHT, SPEED, heading, settle, walk
from forethought.worlds.crossing.traffic import REACTION
from forethought.worlds.crossing.world import CrossingWorld, hit
from forethought.worlds.painting import Bools, Floats
from forethought.worlds.random_streams import Seeds, as_seeds, counter, normal, uniform

SEED_ACTION, SEED_HEADING, SEED_TARGET, SEED_NOISE = 80, 81, 82, 83
NOISE = 0.5
"""Standard deviation of the action noise in collection, per axis."""
ARRIVED = 2.0
PATIENCE = 0.03
"""Probability per step of sampling a new target, without a task."""
LOOK = 5
"""Steps between two safety checks of `HopefulPolicy`: one block of most agents."""
AHEAD = 40
"""Horizon in steps of the safety check before the agent leaves the kerb."""


def _crossing(world: World) -> CrossingWorld:
    """The environment as `CrossingWorld`, whose true state these policies read."""
    assert isinstance(world, CrossingWorld)
    return world


class CrossingExploringPolicy:
    """A random walk with a persistent heading and a speed between zero and the maximum."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        self._seeds: Seeds = as_seeds(seeds)
        self._step = 0
        self._heading = 2 * np.pi * uniform(self._seeds, counter(SEED_HEADING))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        self._step += 1
        u = uniform(self._seeds, counter(SEED_HEADING, self._step), 2)
        drift = self._heading + 0.3 * normal(self._seeds, counter(SEED_ACTION, self._step), 1)[:, 0]
        self._heading = np.where(u[:, 0] < 0.05, 2 * np.pi * u[:, 1], drift)
        direction = np.stack([np.cos(self._heading), np.sin(self._heading)], 1)
        noise = NOISE * normal(self._seeds, counter(SEED_NOISE, self._step), 2)
        actions = np.clip(direction / np.abs(direction).max(1, keepdims=True) + noise, -1, 1)
        return np.asarray(actions, dtype=np.float32)


class CrossingGreedyPolicy:
    """Walks to the goal, or without a task to random targets, and ignores the traffic."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        self._seeds, self._step = as_seeds(seeds), 0
        self._target = self._sample_target()

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        crossing = _crossing(world)
        self._step += 1
        if crossing.has_task:
            return self.actions(crossing, crossing.goals).astype(np.float32)
        u = uniform(self._seeds, counter(SEED_HEADING, self._step))
        done = (np.abs(crossing.position - self._target).max(1) < ARRIVED) | (u < PATIENCE)
        self._target = np.where(done[:, None], self._sample_target(), self._target)
        noise = NOISE * normal(self._seeds, counter(SEED_NOISE, self._step), 2)
        return np.clip(self.actions(crossing, self._target) + noise, -1, 1).astype(np.float32)

    def actions(self, crossing: CrossingWorld, target: Floats) -> Floats:
        """Actions [N, 2] towards targets [N, 2]."""
        return heading(crossing.position, target)

    def _sample_target(self) -> Floats:
        return settle(LOW + (HIGH - LOW) * uniform(self._seeds, counter(SEED_TARGET, self._step), 2))


class CrossingRiskAversePolicy(CrossingGreedyPolicy):
    """Leaves the kerb only if neither kind of driver would hit it; the kind of the driver is unknown to it."""

    def actions(self, crossing: CrossingWorld, target: Floats) -> Floats:
        """Wait at the kerb until it is safe."""
        action = heading(crossing.position, target)
        return np.where(self.safe(crossing, target)[:, None], action, wait(crossing.position, action))

    def safe(self, crossing: CrossingWorld, target: Floats) -> Bools:
        """Whether crossing is safe for both kinds of driver, [N]."""
        runs_light = np.ones(crossing.num, dtype=np.bool_)
        if crossing.options.cue == 1 or crossing.options.late in (0.0, 1.0):
            return unhurt(crossing, target, crossing.traffic.late)
        braking = crossing.traffic.braking
        return unhurt(crossing, target, ~runs_light) & (braking | unhurt(crossing, target, runs_light))


class HopefulPolicy(CrossingRiskAversePolicy):
    """Assumes that a driver brakes until the driver has run the light, and checks again once per block (optimistic policy).

    This is the best behaviour of an agent that predicts only the favourable future and replans.
    """

    def safe(self, crossing: CrossingWorld, target: Floats) -> Bools:
        """Result of the last safety check, [N]."""
        if (self._step - 1) % LOOK == 0:
            seen_late = crossing.traffic.late & (crossing.traffic.since >= REACTION)
            self._last_check = unhurt(crossing, target, seen_late)
        return self._last_check


class CrossingExpertPolicy(CrossingRiskAversePolicy):
    """The risk-averse policy with knowledge of each driver: the ceiling."""

    def safe(self, crossing: CrossingWorld, target: Floats) -> Bools:
        """Whether crossing is safe, [N]."""
        return unhurt(crossing, target, crossing.traffic.late)


def unhurt(crossing: CrossingWorld, target: Floats, late: Bools) -> Bools:
    """Whether the agent reaches the other kerb at full speed without a hit, if `late` [N] are the drivers' kinds; [N]."""
    position, hurt = crossing.position, np.zeros(crossing.num, dtype=np.bool_)
    for traffic in crossing.foretell(AHEAD, late):
        position = walk(position, SPEED * heading(position, target))
        hurt |= hit(traffic, position)
    return ~hurt


def wait(position: Floats, ahead: Floats) -> Floats:
    """Actions [N, 2] that follow `ahead` but stop at the kerb; an agent on the road returns to the nearer kerb."""
    on_road = (position[:, 0] > LEFT) & (position[:, 0] < RIGHT)
    left_side = position[:, 0] <= (LEFT + RIGHT) / 2
    along = np.where(left_side, np.minimum(ahead[:, 0], LEFT - position[:, 0]), np.maximum(ahead[:, 0], RIGHT - position[:, 0]))
    back = np.where(left_side, -1.0, 1.0)
    return np.stack([np.where(on_road, back, along), np.where(on_road, 0.0, ahead[:, 1])], 1)


class CrossingMixturePolicy:
    """Default policy of collection: of four copies, two are greedy, one is risk-averse and one explores."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        self._policies: tuple[ScriptedPolicy, ...] = (
            CrossingGreedyPolicy(),
            CrossingGreedyPolicy(),
            CrossingRiskAversePolicy(),
            CrossingExploringPolicy(),
        )
        for policy in self._policies:
            policy.reset(world, seeds)
        self._assigned = (as_seeds(seeds) % np.uint64(len(self._policies))).astype(np.int64)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        actions = np.stack([policy.act(world, frame) for policy in self._policies])
        return np.asarray(actions[self._assigned, np.arange(len(self._assigned))])


POLICIES: dict[str, Callable[[], ScriptedPolicy]] = {
    "random": partial(RandomPolicy, SEED_ACTION),
    "exploring": CrossingExploringPolicy,
    "hasty": CrossingGreedyPolicy,
    "hopeful": HopefulPolicy,
    "careful": CrossingRiskAversePolicy,
    "expert": CrossingExpertPolicy,
    "mixed": CrossingMixturePolicy,
}
