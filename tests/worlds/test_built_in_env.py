"""Rooms as a Gymnasium environment."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import forethought.worlds
from forethought.errors import ForethoughtError
from forethought.types import WorldTask
from forethought.worlds.rooms import RoomsWorld

NAME = "forethought/Rooms-v0"


@pytest.mark.parametrize("options", [{}, {"layout": "four", "noise": 4.0, "hazards": 1, "food": 1, "keys": 1}])
def test_it_passes_gymnasiums_checker_without_a_warning(options: dict[str, object]) -> None:
    assert NAME in forethought.worlds.names()
    check_env(gymnasium.make(NAME, render_mode="rgb_array", **options).unwrapped)


def test_it_is_copy_zero_of_the_world() -> None:
    env, world = gymnasium.make(NAME, layout="four", hazards=1).unwrapped, RoomsWorld(1, layout="four", hazards=1)
    pixels, info = env.reset(seed=5)
    frame = world.reset([5])
    for _ in range(5):
        assert np.array_equal(pixels, frame.observation["pixels"][0])
        assert np.array_equal(info["truth"]["position"], frame.truth["position"][0])
        assert info["drives"] == {"pain": frame.drives[0, 0]}
        action = np.array([0.5, -1.0], np.float32)
        pixels, reward, terminated, truncated, info = env.step(action)
        assert (reward, terminated, truncated) == (0.0, False, False)
        frame = world.step(action[None])


def test_a_task_is_rewarded_and_ended_at_its_goal() -> None:
    env = gymnasium.make(NAME, doors="fixed").unwrapped
    _, info = env.reset(options={"task": WorldTask(1, (10.0, 10.0), (20.0, 10.0), None, 50)})
    assert info["goal"].shape == (64, 64, 3)
    outcomes = [env.step(np.array([1, 0], np.float32))[1:4] for _ in range(3)]
    assert outcomes == [(0.0, False, False), (0.0, False, False), (1.0, True, False)]
    with pytest.raises(ForethoughtError, match="must be a WorldTask, not dict"):
        env.reset(options={"task": {"goal": (1, 2)}})


def test_episodes_are_truncated_and_resets_without_a_seed_differ() -> None:
    env = gymnasium.make(NAME, max_steps=2).unwrapped
    first = env.reset(seed=1)[0]
    assert [env.step(np.zeros(2, np.float32))[3] for _ in range(2)] == [False, True]
    assert not np.array_equal(env.reset()[0], env.reset()[0])
    assert np.array_equal(env.reset(seed=1)[0], first)
