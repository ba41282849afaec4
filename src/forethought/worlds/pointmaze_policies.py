"""Scripted policies of PointMaze: random headings, and shortest paths (with noise for data, without noise as the ceiling)."""

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
"""A motion farther than this along an axis in one step was a teleport."""
Field = tuple[NDArray[np.float64], NDArray[np.int32]]
"""A goal (x, y), and the number of steps to it from every point of the maze."""


@runtime_checkable
class MazeMaker(Protocol):
    """A factory of maze copies: walls with shortest paths, and cells of starts and goals."""

    maze: MazeGrid
    cells: NDArray[np.int64]


@runtime_checkable
class MazeWorld(Protocol):
    """Attributes of a maze environment that these policies read."""

    tasks: tuple[WorldTask, ...]
    maker: MazeMaker


def maze_world(world: World) -> MazeWorld:
    """The environment as a `MazeWorld`; the registry passes only mazes to these policies."""
    assert isinstance(world, MazeWorld)
    return world


@lru_cache(maxsize=128)
def steps_to(maze: MazeGrid, goal: tuple[float, float], optimistic: bool) -> NDArray[np.int32]:
    """`MazeGrid.steps_to` or `optimistic_steps_to`, cached: in collection, goals are centres of cells and repeat."""
    return (maze.optimistic_steps_to if optimistic else maze.steps_to)(np.array(goal))


class WanderingPolicy:
    """Walks in a random direction for 5 to 30 steps with noise, then samples a new direction."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """New random generators."""
        self._generators = policy_generators(seeds)
        self._remaining = np.zeros(len(seeds), int)
        self._heading = np.zeros((len(seeds), 2))

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        noise = np.zeros_like(self._heading)
        for index, generator in enumerate(self._generators):
            if self._remaining[index] == 0:
                angle = generator.uniform(0, 2 * np.pi)
                self._heading[index] = 1.2 * np.cos(angle), 1.2 * np.sin(angle)
                self._remaining[index] = generator.integers(5, 31)
            noise[index] = generator.normal(0, 0.3, 2)
        self._remaining -= 1
        return np.clip(self._heading + noise, -1, 1).astype(np.float32)


class ShortestPathPolicy:
    """Follows shortest paths.

    In a task it walks to the goal without noise (the ceiling). Without a task it walks to one random cell after another with
    noise, like the policy of OGBench's `navigate` datasets.
    """

    noise = 0.4
    optimistic = False

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """New random generators; goals are sampled at the first act."""
        self._generators = policy_generators(seeds)
        self._fields: list[Field | None] = [None] * len(seeds)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        maze = maze_world(world)
        maker, tasks = maze.maker, maze.tasks
        directions, noise = [], []
        for index, xy in enumerate(frame.truth["state"]):
            goal, steps = self._field(index, xy, maker, tasks)
            directions.append(maker.maze.towards(xy, goal, steps))
            noise.append(np.zeros(2) if tasks else self._generators[index].normal(0, self.noise, 2))
        return np.clip(self._adjusted(world, frame, np.stack(directions)) + np.stack(noise), -1, 1).astype(np.float32)

    def _adjusted(self, world: World, frame: Frame, path_actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Actions [N, 2] before noise, given the actions [N, 2] that follow the shortest paths."""
        return path_actions

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
        return goal, steps_to(maze, (float(goal[0]), float(goal[1])), self.optimistic)


class HastyPolicy(ShortestPathPolicy):
    """The expert under the assumption that each teleport leads to its best exit; without any path it wanders.

    After a teleport it repeats its last action for one block: the actions of a block must not contain information about the
    outcome of a teleport in the same block (docs/stochastic-prediction.md).
    """

    optimistic = True

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """New random generators."""
        super().reset(world, seeds)
        self._wander = WanderingPolicy()
        self._wander.reset(world, seeds)
        self._previous_position: NDArray[np.float32] | None = None
        self._delay = np.zeros(len(seeds), int)
        self._action = np.zeros((len(seeds), 2))

    def _adjusted(self, world: World, frame: Frame, path_actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """The path's action, a wandering action without a path, or the last action during the reaction delay."""
        position, maze = frame.truth["state"], maze_world(world).maker.maze
        previous = self._previous_position
        moved = np.zeros(len(position)) if previous is None else np.abs(position - previous).max(1)
        self._delay = np.where(moved > FARTHEST_STEP, world.spec.block, np.maximum(self._delay - 1, 0))
        self._previous_position = position
        steps = [field[1][maze.point(xy)] for field, xy in zip(self._fields, position, strict=True) if field is not None]
        no_path = np.array(steps) >= UNREACHABLE
        reaction = np.where(no_path[:, None], self._wander.act(world, frame), path_actions)
        self._action = np.where(self._delay[:, None] > 0, self._action, reaction)
        return self._action


class MixedPolicy:
    """Default policy of collection: copies with even seeds follow shortest paths with noise, copies with odd seeds wander.

    In a maze with teleports, half of the copies with even seeds use `HastyPolicy`.
    """

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Assigns a policy to each copy by its seed."""
        paths: tuple[ScriptedPolicy, ...] = (ShortestPathPolicy(),)
        if len(maze_world(world).maker.maze.teleports):
            paths = (ShortestPathPolicy(), HastyPolicy())
        policies = (*paths, WanderingPolicy())
        assigned = np.array([int(seed) // 2 % len(paths) if int(seed) % 2 == 0 else len(paths) for seed in seeds])
        self._groups = [(policy, assigned == i) for i, policy in enumerate(policies) if (assigned == i).any()]
        for policy, _ in self._groups:
            policy.reset(world, seeds)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        actions = np.zeros((world.num, 2), np.float32)
        for policy, members in self._groups:
            actions[members] = policy.act(world, frame)[members]
        return actions
