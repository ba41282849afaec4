"""A Gymnasium environment with costs in its `info`, and functions of its observation."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

PAINFUL = "drive_worlds:Painful"


class Painful(gymnasium.Env[Any, Any]):
    """Being right of 0 hurts; the key is there only then. The reward of each step is the place."""

    observation_space = spaces.Dict({"place": spaces.Box(-2, 2, (1,), np.float32)})
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.place = np.zeros(1, np.float32)
        self.steps = 0
        return {"place": self.place.copy()}, {}

    def step(self, action: Any) -> Any:
        self.place = np.clip(self.place + 0.5 * np.asarray(action, np.float32), -2, 2)
        self.steps += 1
        info = {"costs": {"hurt": bool(self.place[0] > 0)}, "speed": abs(float(action[0])), "wrong": -1.0}
        return {"place": self.place.copy()}, float(self.place[0]), False, self.steps >= 20, info


def distance(observation: Any) -> float:
    """A drive of the observation."""
    return abs(float(observation["place"][0]))


def untyped(observation: Any):  # type: ignore[no-untyped-def]
    """No annotation says that it returns a number."""
    return 0.0
