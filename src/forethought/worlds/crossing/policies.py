"""Scripted policies: they see the truth, and serve collection, the random floor and the ceilings."""

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
"""Without a task, the rate per step at which one thinks of another place to go to."""
LOOK = 5
"""Steps from one look of the hopeful to the next: a block of most agents."""
AHEAD = 40
"""Steps that an expert looks ahead before it leaves the kerb."""


def _crossing(world: World) -> CrossingWorld:
    """The world, known to be ours: these policies read its truth."""
    assert isinstance(world, CrossingWorld)
    return world


class CrossingExploringPolicy:
    """A walk with a heading that persists, at a speed that varies from nothing to all."""

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
        ahead = np.stack([np.cos(self._heading), np.sin(self._heading)], 1)
        noise = NOISE * normal(self._seeds, counter(SEED_NOISE, self._step), 2)
        actions = np.clip(ahead / np.abs(ahead).max(1, keepdims=True) + noise, -1, 1)
        return np.asarray(actions, dtype=np.float32)


class CrossingGreedyPolicy:
    """To the goal, or to random places one after the other, without a look at the traffic."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        self._seeds, self._step = as_seeds(seeds), 0
        self._target = self._anywhere()

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        crossing = _crossing(world)
        self._step += 1
        if crossing.has_task:
            return self.actions(crossing, crossing.goals).astype(np.float32)
        u = uniform(self._seeds, counter(SEED_HEADING, self._step))
        done = (np.abs(crossing.position - self._target).max(1) < ARRIVED) | (u < PATIENCE)
        self._target = np.where(done[:, None], self._anywhere(), self._target)
        noise = NOISE * normal(self._seeds, counter(SEED_NOISE, self._step), 2)
        return np.clip(self.actions(crossing, self._target) + noise, -1, 1).astype(np.float32)

    def actions(self, crossing: CrossingWorld, target: Floats) -> Floats:
        """What to do on the way to targets [N, 2]."""
        return heading(crossing.position, target)

    def _anywhere(self) -> Floats:
        return settle(LOW + (HIGH - LOW) * uniform(self._seeds, counter(SEED_TARGET, self._step), 2))


class CrossingRiskAversePolicy(CrossingGreedyPolicy):
    """As the hasty one, but it leaves the kerb only where no kind of driver would hit it: it knows the odds, not the driver."""

    def actions(self, crossing: CrossingWorld, target: Floats) -> Floats:
        """Wait at the kerb until it is safe."""
        ahead = heading(crossing.position, target)
        return np.where(self.safe(crossing, target)[:, None], ahead, wait(crossing.position, ahead))

    def safe(self, crossing: CrossingWorld, target: Floats) -> Bools:
        """Whether going on is safe whoever sits in the car, [N]."""
        every = np.ones(crossing.num, dtype=np.bool_)
        told = crossing.traffic.late if crossing.options.cue == 1 else None
        if told is not None or crossing.options.late in (0.0, 1.0):
            return unhurt(crossing, target, crossing.traffic.late)
        known = crossing.traffic.braking
        return unhurt(crossing, target, ~every) & (known | unhurt(crossing, target, every))


class HopefulPolicy(CrossingRiskAversePolicy):
    """As the careful one, but it takes each driver for one who brakes until he has shown otherwise, and looks now and then.

    That is what someone can do who foresees one future, the kinder one, and looks again.
    """

    def safe(self, crossing: CrossingWorld, target: Floats) -> Bools:
        """What it thought of going on when it looked last, [N]."""
        if (self._step - 1) % LOOK == 0:
            shown = crossing.traffic.late & (crossing.traffic.since >= REACTION)
            self._seems_safe = unhurt(crossing, target, shown)
        return self._seems_safe


class CrossingExpertPolicy(CrossingRiskAversePolicy):
    """As the careful one, but it knows each driver: the ceiling."""

    def safe(self, crossing: CrossingWorld, target: Floats) -> Bools:
        """Whether going on is safe, [N]."""
        return unhurt(crossing, target, crossing.traffic.late)


def unhurt(crossing: CrossingWorld, target: Floats, late: Bools) -> Bools:
    """Whether the agent would reach the other kerb at full speed without being hit, if the drivers were so, [N]."""
    position, hurt = crossing.position, np.zeros(crossing.num, dtype=np.bool_)
    for traffic in crossing.foretell(AHEAD, late):
        position = walk(position, SPEED * heading(position, target))
        hurt |= hit(traffic, position)
    return ~hurt


def wait(position: Floats, ahead: Floats) -> Floats:
    """Actions [N, 2] that go on but stop at the kerb; on the road, one goes back to the nearer one."""
    on_road = (position[:, 0] > LEFT) & (position[:, 0] < RIGHT)
    left_side = position[:, 0] <= (LEFT + RIGHT) / 2
    along = np.where(left_side, np.minimum(ahead[:, 0], LEFT - position[:, 0]), np.maximum(ahead[:, 0], RIGHT - position[:, 0]))
    back = np.where(left_side, -1.0, 1.0)
    return np.stack([np.where(on_road, back, along), np.where(on_road, 0.0, ahead[:, 1])], 1)


class CrossingMixturePolicy:
    """What collection uses: of four copies two are hasty, one is careful and one explores."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        self._kinds: tuple[ScriptedPolicy, ...] = (
            CrossingGreedyPolicy(),
            CrossingGreedyPolicy(),
            CrossingRiskAversePolicy(),
            CrossingExploringPolicy(),
        )
        for policy in self._kinds:
            policy.reset(world, seeds)
        self._mine = (as_seeds(seeds) % np.uint64(len(self._kinds))).astype(np.int64)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        every = np.stack([policy.act(world, frame) for policy in self._kinds])
        return np.asarray(every[self._mine, np.arange(len(self._mine))])


POLICIES: dict[str, Callable[[], ScriptedPolicy]] = {
    "random": partial(RandomPolicy, SEED_ACTION),
    "exploring": CrossingExploringPolicy,
    "hasty": CrossingGreedyPolicy,
    "hopeful": HopefulPolicy,
    "careful": CrossingRiskAversePolicy,
    "expert": CrossingExpertPolicy,
    "mixed": CrossingMixturePolicy,
}
