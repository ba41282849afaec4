"""Gymnasium worlds for tests of living: a hill to climb, one that fails now and then, and what a world may get wrong."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

SLOPE, FAULTY = "lived_worlds:Slope", "lived_worlds:Faulty"
EPISODE = 20


class Slope(gymnasium.Env[Any, Any]):
    """A place on a line; the reward of a step is the negated distance to the top, at 0. Falling off ends the episode."""

    observation_space = spaces.Box(-2, 2, (2,), np.float32)
    action_space: spaces.Space[Any] = spaces.Box(-1, 1, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.steps = float(self.np_random.uniform(-1, 1)), 0
        return self._seen(), {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self.place += 0.3 * self._push(action)
        self.steps += 1
        return self._seen(), -abs(self.place), abs(self.place) > 1.9, self.steps >= EPISODE, {}

    def _push(self, action: Any) -> float:
        return float(np.clip(action[0], -1, 1))

    def _seen(self) -> NDArray[np.float32]:
        return np.array([np.clip(self.place, -2, 2), 0.1 * self.steps % 1], np.float32)


class Stairs(Slope):
    """The same with three choices: left, stay, right."""

    action_space = spaces.Discrete(3)

    def _push(self, action: Any) -> float:
        return float(action) - 1.0


class Recall(gymnasium.Env[Any, Any]):
    """A sign is shown at first and never again; each step gives the action times the sign."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.sign, self.steps = float(self.np_random.choice([-1.0, 1.0])), 0
        return np.array([self.sign], np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return np.zeros(1, np.float32), self.sign * (2.0 * action - 1), False, self.steps >= 6, {}


class Faulty(Slope):
    """Breaks at every thirteenth seed."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None and seed % 13 == 0:
            raise RuntimeError("the gear is stuck")
        return super().reset(seed=seed, options=options)


class Stuck(Slope):
    """Hangs at its second step of every thirteenth seed."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.stuck = seed is not None and seed % 13 == 0
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        while self.stuck:
            pass
        return super().step(action)


class Wilful(Slope):
    """Does not follow its seed."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return super().reset(seed=None, options=options)


class NoNumber(Slope):
    """Its rewards are NaN."""

    def step(self, action: Any) -> Any:
        seen, _, over, late, info = super().step(action)
        return seen, float("nan"), over, late, info


class Reused(Slope):
    """Returns one buffer, which it writes over in place."""

    buffer = np.zeros(2, np.float32)

    def _seen(self) -> Any:
        self.buffer[:] = super()._seen()
        return self.buffer


class Uneven(Slope):
    """Some of its steps take long, each time others."""

    def step(self, action: Any) -> Any:
        time.sleep(0.01 * (random.SystemRandom().random() < 0.2))
        return super().step(action)


class Deadly(Slope):
    """Kills the process of its actor in the third step of every thirteenth seed."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.deadly = seed is not None and seed % 13 == 0 and sys.argv[0].endswith("actor_worker.py")
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        if self.deadly and self.steps == 2:
            self.end()
        return super().step(action)

    def end(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Silent(Deadly):
    """Hangs in its place, deaf to the timer of its process."""

    def end(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(1000)
