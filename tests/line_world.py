"""A world of another package: a point on a line, which senses its place; `LINE` is its family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.types import ActionSpace, Frame, Observation, StreamSpec, TaskSet, WorldSpec, WorldTask
from forethought.worlds import World
from forethought.worlds.adapter_policies import UniformPolicy
from forethought.worlds.env_family import EnvFamily
from forethought.worlds.random_streams import task_seed

NAME, NEAR, STEP = "otherlab/Line-v0", 0.1, 0.1


class LineWorld(World):
    """N points; the action moves a point by up to `STEP` a step. Goals are places."""

    def __init__(self, num: int, max_steps: int = 20) -> None:
        streams, action = (StreamSpec("proprioception", (2,), "float32"),), ActionSpace("continuous", 1, (-1.0,), (1.0,))
        self.spec = WorldSpec(NAME, {"max_steps": max_steps}, streams, action, max_steps, 2, {"place": 1})
        self.num, self.goals = num, np.zeros(num)

    def reset(self, seeds: Sequence[int]) -> Frame:
        self.places = np.array([np.random.default_rng(seed).uniform(-1, 1) for seed in seeds])
        self.steps = 0
        return self._frame()

    def step(self, actions: NDArray[np.float32]) -> Frame:
        self.places = np.clip(self.places + STEP * actions[:, 0], -1, 1)
        self.steps += 1
        return self._frame()

    def begin(self, tasks: Sequence[WorldTask]) -> Frame:
        self.reset([task.seed for task in tasks])
        self.places = np.array([task.start[0] for task in tasks if task.start])
        self.goals = np.array([task.goal[0] for task in tasks])
        return self._frame()

    def goal_observation(self) -> Observation:
        return {"proprioception": self._seen(self.goals)}

    def reached(self) -> NDArray[np.bool_]:
        return np.abs(self.places - self.goals) <= NEAR

    def close(self) -> None:
        """Nothing is held."""

    def _seen(self, places: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.stack([places, np.sin(3 * places)], 1).astype(np.float32)

    def _frame(self) -> Frame:
        truth = {"place": self.places[:, None].astype(np.float32)}
        ended = np.full(self.num, self.steps >= self.spec.max_steps)
        return Frame({"proprioception": self._seen(self.places)}, truth, np.zeros((self.num, 0), np.float32), ended)


class Straight:
    """Goes to the goal."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Nothing is remembered."""

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        assert isinstance(world, LineWorld)
        return np.clip((world.goals - world.places) / STEP, -1, 1)[:, None].astype(np.float32)


def make_tasks(name: str, options: Mapping[str, Any], number: int, seed: int, kind: str) -> TaskSet:
    """From one half of the line to the other."""
    tasks = []
    for index in range(number):
        start, goal = np.random.default_rng((seed, index)).uniform(0.3, 0.9, 2)
        tasks.append(WorldTask(task_seed(seed, index), (-float(start),), (float(goal),), float((start + goal) / STEP), 20))
    return TaskSet(name, LineWorld(1, **options).spec.options, f"within {NEAR} of the goal", tuple(tasks))


LINE = EnvFamily(
    name="line",
    worlds={NAME: "Line, a point that goes to and fro; a test's."},
    matches=lambda name: name == NAME,
    make=lambda name, num, options: LineWorld(num, **options),
    policies=lambda name: {"random": UniformPolicy, "expert": Straight},
    make_tasks=make_tasks,
    vectorized=True,
)
