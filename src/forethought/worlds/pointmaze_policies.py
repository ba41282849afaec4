"""Scripted policies of PointMaze: wandering, and the shortest path (with noise for data, without as the ceiling)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from forethought.types import Frame, WorldTask
from forethought.worlds.adapter_policies import policy_generators
from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.maze_paths import STEP, UNREACHABLE, MazeGrid

FARTHEST_STEP = 2 * STEP
"""Who has moved farther than this along an axis was taken there."""
Field = tuple[NDArray[np.float64], NDArray[np.int32]]
"""A goal (x, y), and the steps to it from every point of the maze."""


@runtime_checkable
class MazeMaker(Protocol):
    """What makes the copies of a maze."""

    maze: MazeGrid
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


@lru_cache(maxsize=128)
def steps_to(maze: MazeGrid, goal: tuple[float, float], lucky: bool) -> NDArray[np.int32]:
    """`MazeGrid.steps_to` or `lucky_steps_to`; goals are cells' centres while data are collected."""
    return (maze.lucky_steps_to if lucky else maze.steps_to)(np.array(goal))


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
    lucky = False

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Fresh random streams; goals are drawn at the first act."""
        self._generators = policy_generators(seeds)
        self._fields: list[Field | None] = [None] * len(seeds)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        here = maze_world(world)
        maker, tasks = here.maker, here.tasks
        ways, noise = [], []
        for index, xy in enumerate(frame.truth["state"]):
            goal, steps = self._field(index, xy, maker, tasks)
            ways.append(maker.maze.towards(xy, goal, steps))
            noise.append(np.zeros(2) if tasks else self._generators[index].normal(0, self.noise, 2))
        return np.clip(self._heading(world, frame, np.stack(ways)) + np.stack(noise), -1, 1).astype(np.float32)

    def _heading(self, world: World, frame: Frame, ways: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where to, given the actions [N, 2] that follow the paths."""
        return ways

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

    def _steps_to(self, goal: NDArray[np.float64], maze: MazeGrid) -> Field:
        return goal, steps_to(maze, (float(goal[0]), float(goal[1])), self.lucky)


class HastyPolicy(ShortestPathPolicy):
    """As the expert, but it takes each teleport for a door to the best of its exits; where no way leads on it wanders.

    Once it has been taken elsewhere it goes on as before for a block: what one does in a block must not tell where one
    will be taken in it (docs/stochastic-prediction.md).
    """

    lucky = True

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Fresh random streams."""
        super().reset(world, seeds)
        self._wander = WanderingPolicy()
        self._wander.reset(world, seeds)
        self._last: NDArray[np.float32] | None = None
        self._startled = np.zeros(len(seeds), int)
        self._way = np.zeros((len(seeds), 2))

    def _heading(self, world: World, frame: Frame, ways: NDArray[np.float64]) -> NDArray[np.float64]:
        """The paths, or wandering, or as before."""
        here, maze = frame.truth["state"], maze_world(world).maker.maze
        moved = np.zeros(len(here)) if self._last is None else np.abs(here - self._last).max(1)
        self._startled = np.where(moved > FARTHEST_STEP, world.spec.block, np.maximum(self._startled - 1, 0))
        self._last = here
        left = [field[1][maze.point(xy)] for field, xy in zip(self._fields, here, strict=True) if field is not None]
        lost = np.array(left) >= UNREACHABLE
        ahead = np.where(lost[:, None], self._wander.act(world, frame), ways)
        self._way = np.where(self._startled[:, None] > 0, self._way, ahead)
        return self._way


class MixedPolicy:
    """What collection uses: copies with even seeds follow shortest paths with noise, those with odd seeds wander.

    Where there are teleports, every other of the first is hasty.
    """

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Draws which copy does what."""
        paths: tuple[ScriptedPolicy, ...] = (ShortestPathPolicy(),)
        if len(maze_world(world).maker.maze.teleports):
            paths = (ShortestPathPolicy(), HastyPolicy())
        kinds = (*paths, WanderingPolicy())
        mine = np.array([int(seed) // 2 % len(paths) if int(seed) % 2 == 0 else len(paths) for seed in seeds])
        self._groups = [(kind, mine == number) for number, kind in enumerate(kinds) if (mine == number).any()]
        for kind, _ in self._groups:
            kind.reset(world, seeds)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        actions = np.zeros((world.num, 2), np.float32)
        for kind, mine in self._groups:
            actions[mine] = kind.act(world, frame)[mine]
        return actions
