"""Scripted policies for collection, for the random floor and for the expert ceiling; they read the true state."""

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
"""Distance in pixels at which an expert without a task has reached its target and samples a new one."""
ERRAND_STEPS = 30
ERRAND_RATE = 0.02
STUCK = 0.3 / SPEED
"""An agent that moves less than this share of a full step is stuck."""
GIVE_UP_RATE = 0.1
"""Probability per step that a stuck exploring agent samples a new heading."""


def towards(world: RoomsWorld, waypoint: Floats) -> Floats:
    """Actions [N, 2] straight to a waypoint, at full speed on the longer axis; a waypoint within one step is hit exactly."""
    action = (waypoint - world.position) / world.plan.speed
    return np.asarray(action / np.maximum(1.0, np.abs(action).max(1, keepdims=True)))


def _rooms(world: World) -> RoomsWorld:
    """The environment as `RoomsWorld`, whose true state these policies read."""
    assert isinstance(world, RoomsWorld)
    return world


class RoomsExploringPolicy:
    """A random walk with a persistent heading that pushes against walls, and sometimes goes through a door.

    Its actions cover the whole action box, with small noise in some episodes and large noise in others. The planner searches
    the whole box, and without data there the world model may predict motion through walls.
    """

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Start new episodes."""
        rooms = _rooms(world)
        self._seeds: Seeds = as_seeds(seeds)
        self._step = 0
        self._heading = 2 * np.pi * uniform(self._seeds, counter(SEED_HEADING))
        self._noise_scale = uniform(self._seeds, counter(SEED_WILD))[:, None]
        self._door_steps = np.zeros(rooms.num, dtype=np.int64)
        self._target = rooms.position.copy()
        self._last = rooms.position - 1.0
        self._action = np.zeros((rooms.num, 2))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        rooms = _rooms(world)
        self._step += 1
        u = uniform(self._seeds, counter(SEED_HEADING, self._step), 4)
        # A stuck agent mostly keeps pushing: the data must contain collisions with walls.
        stuck = (np.hypot(*(rooms.position - self._last).T) < STUCK * rooms.plan.speed) & (u[:, 3] < GIVE_UP_RATE)
        drift = self._heading + 0.3 * normal(self._seeds, counter(SEED_ACTION, self._step), 1)[:, 0]
        self._heading = np.where(stuck, 2 * np.pi * u[:, 0], drift)
        self._last = rooms.position.copy()
        start = (self._door_steps == 0) & (u[:, 1] < ERRAND_RATE)
        new_target = anywhere(rooms.layout, self._seeds, counter(SEED_ERRAND, self._step), 1)[:, 0]
        self._target = np.where(start[:, None], new_target, self._target)
        self._door_steps = np.where(start, ERRAND_STEPS, np.maximum(self._door_steps - 1, 0))
        # The walk to a door ends in the target's room, not at the target itself.
        arrived = room_of(rooms.layout, rooms.position) == room_of(rooms.layout, self._target)
        self._door_steps = np.where(arrived, 0, self._door_steps)
        direction = np.stack([np.cos(self._heading), np.sin(self._heading)], 1)
        straight = u[:, 2:3] * direction / np.abs(direction).max(1, keepdims=True)
        noise = normal(self._seeds, counter(SEED_WILD, self._step), 2)
        actions = np.clip(straight + self._noise_scale * noise, -1, 1)
        if self._door_steps.any():
            # Unseen gates are ignored: the data must contain collisions with shut gates.
            through = towards(rooms, rooms.route(self._target, unseen="ignored").waypoint)
            actions = np.where(self._door_steps[:, None] > 0, through, actions)
        self._action = np.where(rooms.startled[:, None], self._action, actions)
        return self._action.astype(np.float32)


class RoomsExpertPolicy:
    """Follows the true shortest path: in a task to the goal without noise, else to random targets with noise."""

    unseen: Unseen = "known"

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Start new episodes."""
        rooms = _rooms(world)
        self._seeds, self._step = as_seeds(seeds), 0
        self._target = anywhere(rooms.layout, self._seeds, counter(SEED_TARGET), 1)[:, 0]
        self._action = np.zeros((rooms.num, 2))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        rooms = _rooms(world)
        self._step += 1
        if rooms.has_task:
            return self._towards(rooms, rooms.goals).astype(np.float32)
        arrived = np.hypot(*(rooms.position - self._target).T) < ARRIVED
        new_target = anywhere(rooms.layout, self._seeds, counter(SEED_TARGET, self._step), 1)[:, 0]
        self._target = np.where(arrived[:, None], new_target, self._target)
        noise = NOISE * normal(self._seeds, counter(SEED_EXPERT, self._step), 2)
        return np.clip(self._towards(rooms, self._target) + noise, -1, 1).astype(np.float32)

    def _towards(self, rooms: RoomsWorld, targets: Floats) -> Floats:
        """Actions [N, 2] along the path to targets [N, 2]; the last action during the reaction delay."""
        path_action = towards(rooms, rooms.route(targets, unseen=self.unseen).waypoint)
        self._action = np.where(rooms.startled[:, None], self._action, path_action)
        return self._action


class RoomsGreedyPolicy(RoomsExpertPolicy):
    """The expert under the assumption that an unseen gate is open."""

    unseen = "open"


class RoomsRiskAversePolicy(RoomsExpertPolicy):
    """The expert under the assumption that an unseen gate is shut; its path is never blocked."""

    unseen = "shut"


class RoomsMixturePolicy:
    """Default policy of collection: copies with even seeds follow the noisy expert, copies with odd seeds explore.

    In a layout with gates, no policy knows an unseen gate: half of the experts are greedy, the other half are risk-averse.
    """

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Start new episodes."""
        experts: tuple[ScriptedPolicy, ...] = (RoomsExpertPolicy(),)
        if len(_rooms(world).plan.gates):
            experts = (RoomsGreedyPolicy(), RoomsRiskAversePolicy())
        self._policies = (*experts, RoomsExploringPolicy())
        for policy in self._policies:
            policy.reset(world, seeds)
        number = as_seeds(seeds).astype(np.int64)
        self._assigned = np.where(number % 2 == 0, number // 2 % len(experts), len(experts))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        actions = np.stack([policy.act(world, frame) for policy in self._policies])
        return np.asarray(actions[self._assigned, np.arange(len(self._assigned))])


POLICIES: dict[str, Callable[[], ScriptedPolicy]] = {
    "random": partial(RandomPolicy, SEED_ACTION),
    "exploring": RoomsExploringPolicy,
    "hasty": RoomsGreedyPolicy,
    "careful": RoomsRiskAversePolicy,
    "expert": RoomsExpertPolicy,
    "mixed": RoomsMixturePolicy,
}
