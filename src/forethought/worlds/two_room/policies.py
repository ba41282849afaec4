"""Scripted policies of two rooms: the peers' recipes for data, and the shortest path as the ceiling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from forethought.types import Frame, WorldTask
from forethought.worlds.adapter_policies import policy_generators
from forethought.worlds.contract import World
from forethought.worlds.two_room.geometry import TwoRoomGeometry


@runtime_checkable
class TwoRoomFactory(Protocol):
    """A factory of two rooms."""

    geometry: TwoRoomGeometry


@runtime_checkable
class TwoRoomWorld(Protocol):
    """What these policies read of a world."""

    tasks: tuple[WorldTask, ...]
    maker: TwoRoomFactory


def two_room_world(world: World) -> TwoRoomWorld:
    """The world as a `TwoRoomWorld`; the registry passes no other to these policies."""
    assert isinstance(world, TwoRoomWorld)
    return world


def waypoint(geometry: TwoRoomGeometry, position: NDArray[np.floating], goal: NDArray[np.floating]) -> NDArray[np.float64]:
    """The next corner of the way: before the door, behind it, or the goal itself.

    Args: position, goal: x, y.
    """
    left, right = geometry.faces
    inside = left <= position[0] <= right and abs(position[1] - geometry.door) <= geometry.gap
    if not (geometry.crosses(position, goal) or inside):
        return np.asarray(goal, float)
    rightwards = goal[0] >= geometry.wall
    before, behind = (left - 1, right + 1) if rightwards else (right + 1, left - 1)
    aligned = abs(position[1] - geometry.door) < geometry.gap / 2
    # Beside the door, the corner lies before the wall: a straight way to the door's middle would end at the wall's face.
    return np.array([behind if aligned or inside else before, geometry.door])


class ShortestWay:
    """Walks to the task's goal without noise: the ceiling. Without a task, to one random place after the other."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """New random generators."""
        self._generators = policy_generators(seeds)
        self._targets: list[NDArray[np.float64] | None] = [None] * len(seeds)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        rooms = two_room_world(world)
        geometry, tasks = rooms.maker.geometry, rooms.tasks
        actions = []
        for index, position in enumerate(frame.truth["state"]):
            goal = np.array(tasks[index].goal) if tasks else self._target(index, position, geometry)
            actions.append((waypoint(geometry, position, goal) - position) / geometry.speed)
        return np.asarray(np.clip(np.stack(actions), -1, 1), np.float32)

    def _target(self, index: int, position: NDArray[np.floating], geometry: TwoRoomGeometry) -> NDArray[np.float64]:
        """The present target of a copy; a new one where it is reached."""
        target = self._targets[index]
        if target is None or np.linalg.norm(target - position) < geometry.near:
            target = self._new_target(self._generators[index], geometry)
            self._targets[index] = target
        return target

    def _new_target(self, generator: np.random.Generator, geometry: TwoRoomGeometry) -> NDArray[np.float64]:
        return geometry.place(generator)


class NoisyWays(ShortestWay):
    """stable-worldmodel's recipe for TwoRoom: a unit vector towards the target plus noise of standard deviation 2.

    An action is repeated with probability 0.05, and a target may lie in the wall. Their episodes end at the target; here a new
    target follows, so that all episodes have the same length.
    """

    NOISE, REPEAT = 2.0, 0.05

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """New random generators, and no action to repeat."""
        super().reset(world, seeds)
        self._last = np.zeros((len(seeds), 2))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        geometry = two_room_world(world).maker.geometry
        for index, position in enumerate(frame.truth["state"]):
            generator = self._generators[index]
            way = waypoint(geometry, position, self._target(index, position, geometry)) - position
            noisy = way / (np.linalg.norm(way) + 1e-8) + generator.normal(0, self.NOISE, 2)
            if generator.random() >= self.REPEAT:
                self._last[index] = np.clip(noisy, -1, 1)
        return self._last.astype(np.float32)

    def _new_target(self, generator: np.random.Generator, geometry: TwoRoomGeometry) -> NDArray[np.float64]:
        return generator.uniform(geometry.low, geometry.high, 2)


class TurningWalks:
    """DINO-WM's recipe for Wall: a heading that turns by von Mises noise, and steps of truncated normal length.

    Half of the episodes walk freely; the other half head for the door and through it, with the same noise. (The peers sample
    those backwards and forwards from a place in the door.)
    """

    CONCENTRATION = 5.0
    MEAN, DEVIATION, LEAST, MOST = 1.0, 0.4, 0.2, 1.8
    """Lengths of actions, of which 1.8 is an action of 1 here."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """New random generators, headings and kinds of episodes."""
        self._generators = policy_generators(seeds)
        self._headings = np.array([generator.uniform(0, 2 * math.pi) for generator in self._generators])
        self._crossing = np.array([generator.random() < 0.5 for generator in self._generators])
        self._goals: list[NDArray[np.float64] | None] = [None] * len(seeds)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        geometry = two_room_world(world).maker.geometry
        actions = [self._one(index, position, geometry) for index, position in enumerate(frame.truth["state"])]
        return np.clip(np.stack(actions), -1, 1).astype(np.float32)

    def _one(self, index: int, position: NDArray[np.floating], geometry: TwoRoomGeometry) -> NDArray[np.float64]:
        generator = self._generators[index]
        if self._crossing[index]:
            way = waypoint(geometry, position, self._opposite(index, position, geometry)) - position
            self._headings[index] = math.atan2(way[1], way[0])
            # Behind the door the walk is free: the goal is never reached.
            self._crossing[index] = geometry.crosses(position, self._opposite(index, position, geometry))
        self._headings[index] += generator.vonmises(0.0, self.CONCENTRATION)
        length = generator.normal(self.MEAN, self.DEVIATION)
        while not self.LEAST <= length <= self.MOST:
            length = generator.normal(self.MEAN, self.DEVIATION)
        heading = self._headings[index]
        return length / self.MOST * np.array([math.cos(heading), math.sin(heading)])

    def _opposite(self, index: int, position: NDArray[np.floating], geometry: TwoRoomGeometry) -> NDArray[np.float64]:
        """A place behind the wall, as seen from where the episode began."""
        goal = self._goals[index]
        if goal is None:
            behind = geometry.high if position[0] < geometry.wall else geometry.low
            goal = self._goals[index] = np.array([behind, geometry.door])
        return goal
