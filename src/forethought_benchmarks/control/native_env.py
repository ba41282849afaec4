"""Environments as Stable-Baselines3 has them: made by Gymnasium, with a flat observation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.wrappers import FlattenObservation, TimeLimit
from numpy.typing import NDArray

from forethought_benchmarks.control.control_worlds import ControlWorld


def make_env(world: ControlWorld) -> Any:
    """One environment; a Dict observation becomes one vector, in the order in which Forethought's worlds have it."""
    env: Any = gymnasium.make(world.gym_id)
    if not isinstance(env.observation_space, gymnasium.spaces.Box):
        env = FlattenObservation(env)
    return env if world.max_steps is None else TimeLimit(env, world.max_steps)


def episode_returns(envs: Sequence[Any], act: Callable[[NDArray[Any]], NDArray[Any]], first_seed: int) -> NDArray[np.float64]:
    """Return of one episode in each environment, seeded `first_seed`, `first_seed + 1` ...: the episodes of `evaluate_return`.

    Args:
        envs: N environments. act: observations [N, D] -> actions [N, ...]. first_seed: of the first environment.
    """
    observations = np.stack([env.reset(seed=first_seed + number)[0] for number, env in enumerate(envs)])
    total, running = np.zeros(len(envs)), np.ones(len(envs), np.bool_)
    while running.any():
        actions = act(observations)
        for number in map(int, np.flatnonzero(running)):
            observations[number], reward, terminated, truncated, _ = envs[number].step(actions[number])
            total[number] += float(reward)
            running[number] = not (terminated or truncated)
    return total
