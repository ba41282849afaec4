"""A world of another package that fails in the tasks whose seeds it is given, and the tasks to run in it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.evaluation.arena import Arena
from forethought.types import ActionSpace, Frame, Observation, StreamSpec, TaskSet, WorldSpec, WorldTask
from forethought.worlds import World
from forethought.worlds.env_family import EnvFamily
from forethought.worlds.frames import lazy_frame

NAME, BUDGET = "otherlab/Fragile-v0", 6
opened: list[FragileWorld] = []


class FragileWorld(World):
    """N points, which the first action moves. A task is reached at its goal, a number of steps to the right.

    `trouble`: seed -> `begin`, `step`, `reached`, `draw`, `hang`, `nan`, `reward` or `close`, in the third step.
    """

    def __init__(self, num: int, trouble: Mapping[int, str]) -> None:
        numbers, action = StreamSpec("proprioception", (4,), "float32"), ActionSpace("continuous", 2, (-1.0, 0.0), (1.0, 2.0))
        self.spec = WorldSpec(NAME, {}, (numbers,), action, BUDGET, 2, {}, ("pain",))
        self.num, self.trouble, self.closed = num, trouble, False
        opened.append(self)

    def fails(self, what: str) -> NDArray[np.bool_]:
        """In which copies it fails so now."""
        now = self.steps == 3 or what == "begin"
        return np.array([now and self.trouble.get(task.seed) == what for task in self.tasks])

    def fail(self, what: str) -> None:
        if self.fails(what).any():
            raise RuntimeError(f"a wheel came off in {what}")

    def reset(self, seeds: Sequence[int]) -> Frame:
        raise NotImplementedError

    def begin(self, tasks: Sequence[WorldTask]) -> Frame:
        self.tasks, self.steps, self.at = tasks, 0, np.zeros((self.num, 4), np.float32)
        self.fail("begin")
        return self.frame()

    def step(self, actions: NDArray[np.float32]) -> Frame:
        self.steps += 1
        self.fail("step")
        if self.fails("hang").any():
            time.sleep(60)
        self.at = self.at + actions[:, :1]
        return self.frame()

    def frame(self) -> Frame:
        at, ended, rewards = self.at.copy(), np.zeros(self.num, np.bool_), np.ones(self.num, np.float32)
        at[self.fails("nan")] = np.nan
        rewards[self.fails("reward")] = np.inf
        drawn_late = self.fails("draw").any()

        def draw(name: str) -> NDArray[np.float32]:
            if drawn_late:
                raise RuntimeError("a wheel came off in draw")
            return at

        return lazy_frame(["proprioception"], draw, {}, np.zeros((self.num, 1), np.float32), ended, rewards=rewards)

    def goal_observation(self) -> Observation:
        return {"proprioception": np.zeros((self.num, 4), np.float32)}

    def reached(self) -> NDArray[np.bool_]:
        self.fail("reached")
        return self.at[:, 0] >= np.array([task.goal[0] for task in self.tasks])

    def close(self) -> None:
        self.closed = True
        if "close" in self.trouble.values():
            raise RuntimeError("a wheel came off in close")


class Right:
    """Goes one step to the right, and looks where it is."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Nothing is remembered."""

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        assert frame.observation["proprioception"].shape == (world.num, 4)
        return np.ones((world.num, 2), np.float32)


def make(name: str, num: int, options: Mapping[str, Any]) -> World:
    return FragileWorld(num, options.get("trouble", {}))


FRAGILE = EnvFamily("fragile", {NAME: "Fragile"}, NAME.__eq__, make, lambda _: {"random": Right}, vectorized=True)


def arena(tasks: int = 12, **trouble: str) -> Arena:
    """Tasks 0, 1, ... with these seeds; every fourth is out of reach. `trouble`: `task_3="step"`."""
    made = tuple(WorldTask(seed, None, (seed % 4 * 3.0,), None, BUDGET) for seed in range(tasks))
    kinds = {int(task.removeprefix("task_")): kind for task, kind in trouble.items()}
    return Arena(NAME, {"trouble": kinds}, TaskSet(NAME, {}, "to the right", made), None)
