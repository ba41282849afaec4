"""Environments by the names of what makes them, and environments of other kinds than Gymnasium's, for the tests of making."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box


class Plain(gymnasium.Env[Any, Any]):
    """A point that its two actions push about."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}
    observation_space = Box(-9, 9, (2,), np.float32)
    action_space = Box(-1, 1, (2,), np.float32)

    def __init__(self, gain: float = 1.0, render_mode: str | None = None) -> None:
        self.gain, self.render_mode = gain, render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.at = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.at.copy(), {}

    def step(self, action: Any) -> Any:
        self.at = np.clip(self.at + self.gain * action, -9, 9).astype(np.float32)
        return self.at.copy(), 1.0, False, False, {}


class FourValues(Plain):
    def step(self, action: Any) -> Any:
        seen, reward, over, _, info = super().step(action)
        return seen, reward, over, info


class NoInfo(Plain):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return super().reset(seed=seed)[0]


class NoSeed(Plain):
    def reset(self) -> Any:  # type: ignore[override]
        return super().reset()


class Mapped(Plain):
    """Must be told its map at reset."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.map = options["map"]  # type: ignore[index]
        options.clear()  # type: ignore[union-attr]
        return super().reset(seed=seed)


class Asking(Plain):
    def step(self, action: Any) -> Any:
        input("press enter")
        return super().step(action)


class Careless(Plain):
    """Starts where its own generator says, whatever the seed."""

    chance = np.random.default_rng(5)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.at = self.chance.uniform(-1, 1, 2).astype(np.float32)
        return self.at.copy(), {}


class CarelessLater(Careless):
    """Starts by its seed, and drifts by chance of its own."""

    reset = Plain.reset

    def step(self, action: Any) -> Any:
        return super().step(action + self.chance.uniform(-1, 1, 2))


def wrapped(gain: float = 1.0) -> gymnasium.Env[Any, Any]:
    return gymnasium.wrappers.RescaleAction(Plain(gain), -3, 3)


def by_a_name_of_its_own() -> Any:
    return Plain()
