"""Scripted policies of PointMaze: wandering, and the shortest path (with noise for data, without as the ceiling)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from forethought.types import Frame, WorldTask
from forethought.worlds.adapter_policies import policy_generators
from forethought.worlds.contract import World
from forethought.worlds.maze_paths import Maze

Field = tuple[NDArray[np.float64], NDArray[np.int32]]
"""A goal (x, y), and the steps to it from every point of the maze."""


@runtime_checkable
class MazeMaker(Protocol):
    """What makes the copies of a maze."""

    maze: Maze
    cells: NDArray[np.int64]


@runtime_checkable
class MazeWorld(Protocol):
    """What these policies look at beyond any world's own verbs."""

    tasks: tuple[WorldTask, ...]
    maker: MazeMaker


def maze_world(world: World) -> MazeWorld:
    """The world as these policies see it; the registry only ever hands them a maze."""
    assert isinstance(world, MazeWorld)
    return world


class WanderingPolicy:
    """Walks in a random direction for 5 to 30 steps, with noise, then in another."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Fresh random streams."""
        self._generators = policy_generators(seeds)
        self._left = np.zeros(len(seeds), int)
        self._heading = np.zeros((len(seeds), 2))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        noise = np.zeros_like(self._heading)
        for index, generator in enumerate(self._generators):
            if self._left[index] == 0:
                angle = generator.uniform(0, 2 * np.pi)
                self._heading[index] = 1.2 * np.cos(angle), 1.2 * np.sin(angle)
                self._left[index] = generator.integers(5, 31)
            noise[index] = generator.normal(0, 0.3, 2)
        self._left -= 1
        return np.clip(self._heading + noise, -1, 1).astype(np.float32)


class ShortestPathPolicy:
    """Follows a shortest path: to the task's goal without noise (the ceiling), else to one random cell after another
    with noise, as OGBench's `navigate` data were made.
    """

    noise = 0.4

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Fresh random streams; goals are drawn at the first act."""
        self._generators = policy_generators(seeds)
        self._fields: list[Field | None] = [None] * len(seeds)
        self._known: dict[tuple[float, float], Field] = {}

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        maker, tasks = maze_world(world).maker, maze_world(world).tasks
        actions = []
        for index, xy in enumerate(frame.truth["state"]):
            goal, steps = self._field(index, xy, maker, tasks)
            action = maker.maze.towards(xy, goal, steps)
            actions.append(action if tasks else action + self._generators[index].normal(0, self.noise, 2))
        return np.clip(np.stack(actions), -1, 1).astype(np.float32)

    def _field(self, index: int, xy: NDArray[np.float32], maker: MazeMaker, tasks: tuple[WorldTask, ...]) -> Field:
        field = self._fields[index]
        if tasks:
            if field is None:
                field = self._steps_to(np.array(tasks[index].goal), maker.maze)
        else:
            generator = self._generators[index]
            while field is None or np.hypot(*(xy - field[0])) < 0.5 or generator.random() < 0.002:
                field = self._steps_to(maker.maze.centre(generator.choice(maker.cells)), maker.maze)
        self._fields[index] = field
        return field

    def _steps_to(self, goal: NDArray[np.float64], maze: Maze) -> Field:
        # Goals are cells' centres while data are collected: few, and met again and again.
        key = (float(goal[0]), float(goal[1]))
        if key not in self._known:
            self._known[key] = (goal, maze.steps_to(goal))
        return self._known[key]


class MixedPolicy:
    """What collection uses: copies with even seeds follow shortest paths with noise, those with odd seeds wander."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Draws which copy does what."""
        self._path, self._wander = ShortestPathPolicy(), WanderingPolicy()
        self._path.reset(world, seeds)
        self._wander.reset(world, seeds)
        self._wanders = np.array([int(seed) % 2 == 1 for seed in seeds])

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        path, wander = self._path.act(world, frame), self._wander.act(world, frame)
        return np.where(self._wanders[:, None], wander, path).astype(np.float32)
