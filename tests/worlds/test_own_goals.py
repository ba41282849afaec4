"""Worlds with goals of their own: their goals are the tasks, and their success is the success."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from showing_env import Showing, showing
from test_goals import Store

from forethought.errors import ForethoughtError
from forethought.types import WorldTask
from forethought.worlds import notices
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.goals import goal_observations, tasks_from_episodes
from forethought.worlds.random_streams import task_seed

TWO = spaces.Box(-2, 2, (2,), np.float32)
SPACE = spaces.Dict({"observation": TWO, "achieved_goal": TWO, "desired_goal": TWO})
RADIUS = 0.5


class Seeking(Showing):
    """Its goal is drawn from the seed; reached within RADIUS by a sparse reward."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.wanted = self.draw(seed)
        return super().reset(seed=seed)

    def draw(self, seed: int | None) -> np.ndarray:
        return np.random.default_rng(seed).uniform(-1.5, 1.5, 2).astype(np.float32)

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> float:
        return -float(np.linalg.norm(achieved - desired) > RADIUS)

    @property
    def show(self) -> Any:
        return lambda place, step: {
            "observation": place.astype(np.float32),
            "achieved_goal": place.astype(np.float32),
            "desired_goal": self.wanted,
        }

    @show.setter
    def show(self, value: Any) -> None:
        """What a test passes is not used."""


class Dense(Seeking):
    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> float:
        return -float(np.linalg.norm(achieved - desired))


class Informed(Seeking):
    """Its info says that the goal is reached after three steps, whatever the place."""

    def step(self, action: Any) -> Any:
        *rest, _ = super().step(action)
        return (*rest, {"is_success": np.float32(self.steps >= 3)})


class Forgetful(Seeking):
    chance = np.random.default_rng(0)

    def draw(self, seed: int | None) -> np.ndarray:
        return self.chance.uniform(-1, 1, 2).astype(np.float32)


class Failing(Seeking):
    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> float:
        return float(info["missing"])


@pytest.fixture(autouse=True)
def warnings_anew(caplog: pytest.LogCaptureFixture) -> None:
    notices.forget_notices()
    caplog.set_level(logging.WARNING)


def world_of(kind: type[Seeking] = Seeking, streams: tuple[str, ...] = ("proprioception",), **options: Any) -> GymnasiumWorld:
    return showing(SPACE, lambda place, step: None, streams, kind, **options)


def towards(world: GymnasiumWorld, goal: np.ndarray) -> np.ndarray:
    """The action that leads to a goal."""
    at = world._frame().truth["achieved_goal"]
    return np.clip((goal - at) / 0.2, -1, 1).astype(np.float32)


def test_goals_are_truths_and_not_what_the_agent_sees() -> None:
    world = world_of()
    assert world.spec.truth == {"state": 2, "achieved_goal": 2, "desired_goal": 2, "success": 1}
    assert world.spec.streams[0].shape == (2,)
    frame = world.reset([3])
    np.testing.assert_allclose(frame.truth["desired_goal"][0], np.random.default_rng(3).uniform(-1.5, 1.5, 2), rtol=1e-6)
    np.testing.assert_array_equal(frame.truth["state"], frame.truth["achieved_goal"])


def test_tasks_ask_for_what_the_world_asks_for(caplog: pytest.LogCaptureFixture) -> None:
    world = world_of()
    store = Store(world, [1, 2, 3, 4, 5, 6], blocks=8)
    tasks = tasks_from_episodes(store, 6, seed=0)
    assert len(tasks.tasks) == 6
    assert "own success" in tasks.success
    goals = goal_observations(store, tasks)
    for index, task in enumerate(tasks.tasks):
        np.testing.assert_allclose(task.goal, np.random.default_rng(task.seed).uniform(-1.5, 1.5, 2), rtol=1e-5)
        assert (task.start, task.budget) == (None, 20)
        rows = np.concatenate([store.read(e).truth["achieved_goal"] for e in store.heldout])
        shown = goals["proprioception"][index]
        assert np.linalg.norm((shown - task.goal) / rows.std(0)) == pytest.approx(
            np.linalg.norm((rows - task.goal) / rows.std(0), axis=1).min(), rel=1e-5
        )
    assert {task.seed for task in tasks.tasks} <= {task_seed(0, i) for i in range(60)}
    assert "Add 'achieved_goal' to streams" in caplog.text


def test_success_is_the_worlds_own() -> None:
    world = world_of()
    store = Store(world, [1, 2], blocks=8)
    task = tasks_from_episodes(store, 1, seed=0).tasks[0]
    world.begin([task])
    assert not world.reached()[0]
    reached = []
    for _ in range(20):
        frame = world.step(towards(world, np.array(task.goal)))
        reached.append(bool(world.reached()[0]))
        near = np.linalg.norm(frame.truth["achieved_goal"][0] - np.array(task.goal)) <= RADIUS
        assert reached[-1] == near == bool(frame.truth["success"][0, 0])
    assert reached[-1]


def test_info_decides_before_the_reward_does() -> None:
    world = world_of(Informed)
    world.begin([WorldTask(3, None, tuple(np.random.default_rng(3).uniform(-1.5, 1.5, 2).tolist()), None, 10)])
    found = [bool(world.step(np.zeros((1, 2), np.float32)) and world.reached()[0]) for _ in range(4)]
    assert found == [False, False, True, True]


def test_a_dense_reward_leaves_the_decision_to_the_distance() -> None:
    for distance, expected in ((0.05, False), (3.0, True)):
        copy = world_of(Dense, success_distance=distance).copies[0]
        assert copy.fulfils(np.float32([0.1, 0.1]), np.float32([0.1, 0.1]))
        assert copy.fulfils(np.float32([0.5, 0.5]), np.float32([0.1, 0.1])) == expected
    assert world_of(Seeking).copies[0].fulfils(np.float32([0.3, 0.3]), np.float32([0.1, 0.1]))


def test_an_agent_that_sees_achieved_goals_gets_its_goal_exactly() -> None:
    world = world_of(streams=("proprioception", "achieved_goal"))
    assert world.spec.goals == ("achieved_goal",)
    store = Store(world, [1, 2], blocks=8)
    tasks = tasks_from_episodes(store, 2, seed=0)
    assert not tasks.goal_rows
    world.begin(tasks.tasks[:1])
    observation = world.goal_observation()
    assert list(observation) == ["achieved_goal"]
    np.testing.assert_allclose(observation["achieved_goal"][0], tasks.tasks[0].goal)


def test_goals_that_the_seed_does_not_decide_are_refused() -> None:
    world = world_of(Forgetful)
    store = Store(world, [1, 2], blocks=8)
    with pytest.raises(ForethoughtError, match="other goals at the same seed.*goals='episodes'"):
        tasks_from_episodes(store, 1, seed=0)
    with pytest.raises(ForethoughtError, match="at the same seed at which the task's goal was"):
        world.begin([WorldTask(3, None, (9.0, 9.0), None, 10)])


def test_a_reward_that_fails_is_one_sentence() -> None:
    with pytest.raises(ForethoughtError, match="compute_reward.*raised KeyError.*goals='episodes'"):
        world_of(Failing).reset([0])


def test_goals_from_episodes_are_said(caplog: pytest.LogCaptureFixture) -> None:
    world = world_of(goals="episodes")
    assert world.spec.truth == {"state": 2}
    assert "its own goals (desired_goal) are not used" in caplog.text
    tasks = tasks_from_episodes(Store(world, [1, 2], blocks=8), 1, seed=0)
    assert len(tasks.goal_rows) == 1
