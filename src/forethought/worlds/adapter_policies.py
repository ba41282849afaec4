"""Scripted policies for any adapted environment; they use its action space only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forethought.types import ActionSpace, Frame
from forethought.worlds.contract import World
from forethought.worlds.random_streams import world_seed

POLICY_STREAM = 0x90110C
"""Second word of every policy's seed: a policy and its environment never share random numbers."""


def policy_generators(seeds: Sequence[int]) -> list[np.random.Generator]:
    """One generator per copy, from its seed alone."""
    return [np.random.default_rng((world_seed(seed), POLICY_STREAM)) for seed in seeds]


def in_bounds(unit: NDArray[np.float32], action: ActionSpace) -> NDArray[np.float32]:
    """Actions [N, size] in [-1, 1] as actions within the world's bounds."""
    low, high = np.array(action.low, np.float32), np.array(action.high, np.float32)
    return np.asarray(np.clip(low + (unit + 1) * 0.5 * (high - low), low, high), np.float32)


class UniformPolicy:
    """Samples a uniform action at each step."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Fresh random streams."""
        self._generators = policy_generators(seeds)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, size]."""
        action = world.spec.action
        if action.kind == "discrete":
            choices = [generator.integers(action.size) for generator in self._generators]
            return np.eye(action.size, dtype=np.float32)[choices]
        unit = np.stack([generator.uniform(-1, 1, action.size) for generator in self._generators])
        return in_bounds(unit.astype(np.float32), action)


class CorrelatedPolicy:
    """Correlated actions: a clipped first-order autoregression, or a discrete action that is mostly repeated."""

    correlation = 0.9

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Fresh random streams."""
        self._generators = policy_generators(seeds)
        size = world.spec.action.size
        self._unit = np.stack([generator.normal(0, 1, size) for generator in self._generators]).astype(np.float32)
        self._choice = np.array([generator.integers(size) for generator in self._generators])

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, size]."""
        action = world.spec.action
        if action.kind == "discrete":
            for index, generator in enumerate(self._generators):
                if generator.random() > self.correlation:
                    self._choice[index] = generator.integers(action.size)
            return np.asarray(np.eye(action.size, dtype=np.float32)[self._choice])
        noise = np.stack([generator.normal(0, 1, action.size) for generator in self._generators]).astype(np.float32)
        self._unit = self.correlation * self._unit + np.sqrt(1 - self.correlation**2) * noise
        return in_bounds(np.clip(self._unit, -1, 1).astype(np.float32), action)
