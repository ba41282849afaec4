"""Scripted policies: they see the truth, and serve collection, the random floor and the expert's ceiling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from forethought.types import Frame
from forethought.worlds.box_actions import RandomPolicy
from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.painting import Floats
from forethought.worlds.random_streams import Seeds, as_seeds, counter, normal, uniform
from forethought.worlds.rooms.layout import room_of
from forethought.worlds.rooms.objects import anywhere
from forethought.worlds.rooms.options import SPEED
from forethought.worlds.rooms.world import RoomsWorld, Unseen

SEED_ACTION, SEED_HEADING, SEED_TARGET, SEED_ERRAND, SEED_EXPERT, SEED_WILD = 60, 61, 62, 63, 64, 65
NOISE = 0.7
"""Standard deviation of the expert's action noise in collection, per axis."""
ARRIVED = 2.0
"""An expert without a task picks a new target when it is this near the last one, pixels."""
ERRAND_STEPS = 30
ERRAND_RATE = 0.02
STUCK = 0.3 / SPEED
"""Who moves less than this share of a full step is stuck."""
GIVE_UP_RATE = 0.1
"""An exploring agent that is stuck turns to a new heading at this rate per step."""


def towards(world: RoomsWorld, waypoint: Floats) -> Floats:
    """The action [N, 2] straight at a waypoint, at full speed on the longer axis; it lands on it when near."""
    wanted = (waypoint - world.position) / world.plan.speed
    return np.asarray(wanted / np.maximum(1.0, np.abs(wanted).max(1, keepdims=True)))


def _rooms(world: World) -> RoomsWorld:
    """The world, known to be ours: these policies read its truth."""
    assert isinstance(world, RoomsWorld)
    return world


class RoomsExploringPolicy:
    """A walk with a persistent heading that pushes against walls for a while, and now and then goes through a door.

    Its actions fill the whole box, smoothly in some episodes and wildly in others: a planner will search all of it, and
    where the data has none, the world model is free to imagine that walls give way.
    """

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        rooms = _rooms(world)
        self._seeds: Seeds = as_seeds(seeds)
        self._step = 0
        self._heading = 2 * np.pi * uniform(self._seeds, counter(SEED_HEADING))
        self._wildness = uniform(self._seeds, counter(SEED_WILD))[:, None]
        self._errand = np.zeros(rooms.num, dtype=np.int64)
        self._target = rooms.position.copy()
        self._last = rooms.position - 1.0
        self._way = np.zeros((rooms.num, 2))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        rooms = _rooms(world)
        self._step += 1
        u = uniform(self._seeds, counter(SEED_HEADING, self._step), 4)
        # It mostly keeps pushing: what a wall does is learned at the wall, not by turning away from it.
        stuck = (np.hypot(*(rooms.position - self._last).T) < STUCK * rooms.plan.speed) & (u[:, 3] < GIVE_UP_RATE)
        drift = self._heading + 0.3 * normal(self._seeds, counter(SEED_ACTION, self._step), 1)[:, 0]
        self._heading = np.where(stuck, 2 * np.pi * u[:, 0], drift)
        self._last = rooms.position.copy()
        start = (self._errand == 0) & (u[:, 1] < ERRAND_RATE)
        elsewhere = anywhere(rooms.layout, self._seeds, counter(SEED_ERRAND, self._step), 1)[:, 0]
        self._target = np.where(start[:, None], elsewhere, self._target)
        self._errand = np.where(start, ERRAND_STEPS, np.maximum(self._errand - 1, 0))
        # The errand is the door, not the place behind it: it ends in the target's room.
        arrived = room_of(rooms.layout, rooms.position) == room_of(rooms.layout, self._target)
        self._errand = np.where(arrived, 0, self._errand)
        ahead = np.stack([np.cos(self._heading), np.sin(self._heading)], 1)
        straight = u[:, 2:3] * ahead / np.abs(ahead).max(1, keepdims=True)
        noise = normal(self._seeds, counter(SEED_WILD, self._step), 2)
        actions = np.clip(straight + self._wildness * noise, -1, 1)
        if self._errand.any():
            # What a shut gate does, too, is learned at the gate.
            through = towards(rooms, rooms.route(self._target, unseen="ignored").waypoint)
            actions = np.where(self._errand[:, None] > 0, through, actions)
        self._way = np.where(rooms.startled[:, None], self._way, actions)
        return self._way.astype(np.float32)


class RoomsExpertPolicy:
    """The true shortest path: to the goal without noise when there is a task, else to random targets with noise."""

    unseen: Unseen = "known"

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        rooms = _rooms(world)
        self._seeds, self._step = as_seeds(seeds), 0
        self._target = anywhere(rooms.layout, self._seeds, counter(SEED_TARGET), 1)[:, 0]
        self._way = np.zeros((rooms.num, 2))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        rooms = _rooms(world)
        self._step += 1
        if rooms.has_task:
            return self._towards(rooms, rooms.goals).astype(np.float32)
        arrived = np.hypot(*(rooms.position - self._target).T) < ARRIVED
        fresh = anywhere(rooms.layout, self._seeds, counter(SEED_TARGET, self._step), 1)[:, 0]
        self._target = np.where(arrived[:, None], fresh, self._target)
        noise = NOISE * normal(self._seeds, counter(SEED_EXPERT, self._step), 2)
        return np.clip(self._towards(rooms, self._target) + noise, -1, 1).astype(np.float32)

    def _towards(self, rooms: RoomsWorld, targets: Floats) -> Floats:
        """The way to targets [N, 2]; as before where it is startled."""
        ahead = towards(rooms, rooms.route(targets, unseen=self.unseen).waypoint)
        self._way = np.where(rooms.startled[:, None], self._way, ahead)
        return self._way


class RoomsGreedyPolicy(RoomsExpertPolicy):
    """As the expert, but it takes a gate that it has not seen yet for open."""

    unseen = "open"


class RoomsRiskAversePolicy(RoomsExpertPolicy):
    """As the expert, but it takes a gate that it has not seen yet for shut: its way is never blocked."""

    unseen = "shut"


class RoomsMixturePolicy:
    """What collection uses: copies with even seeds follow the noisy expert, those with odd seeds explore.

    Where there is a gate, nobody knows what can't be seen: every other expert is hasty, the others are careful.
    """

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        experts: tuple[ScriptedPolicy, ...] = (RoomsExpertPolicy(),)
        if len(_rooms(world).plan.gates):
            experts = (RoomsGreedyPolicy(), RoomsRiskAversePolicy())
        self._kinds = (*experts, RoomsExploringPolicy())
        for kind in self._kinds:
            kind.reset(world, seeds)
        number = as_seeds(seeds).astype(np.int64)
        self._mine = np.where(number % 2 == 0, number // 2 % len(experts), len(experts))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        every = np.stack([kind.act(world, frame) for kind in self._kinds])
        return np.asarray(every[self._mine, np.arange(len(self._mine))])


POLICIES: dict[str, Callable[[], ScriptedPolicy]] = {
    "random": partial(RandomPolicy, SEED_ACTION),
    "exploring": RoomsExploringPolicy,
    "hasty": RoomsGreedyPolicy,
    "careful": RoomsRiskAversePolicy,
    "expert": RoomsExpertPolicy,
    "mixed": RoomsMixturePolicy,
}
