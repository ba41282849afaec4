"""A meadow with hazards, food and a beacon, as a plain Gymnasium environment; importing this module registers it.

Its drives are entries of `info`, as anybody's environment has them.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Observed = NDArray[np.float32]
SPEED, HAZARDS, EPISODE = 0.06, 3, 200
BEACON_RADIUS, FOOD_RADIUS, HAZARD_RADIUS = 0.12, 0.12, 0.15
HUNGER_STEP = 0.01
"""Hunger grows by this at each step, and is 0 after a meal; at 1 the body has starved, which ends the episode.

Whoever starves feels at once what a starved body would feel for the rest of the episode: else an early end would cost least.
"""


class Meadow(gymnasium.Env[Any, Any]):
    """A body in the unit square. The beacon, which is elsewhere after each visit, gives the only reward.

    Observed: the place, where beacon, food and each hazard lie from there, and the hunger.
    """

    observation_space = spaces.Box(-1, 1, (2 + 2 + 2 + 2 * HAZARDS + 1,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observed, dict[str, Any]]:
        """Everything lies anywhere; the body is not hungry."""
        super().reset(seed=seed)
        self.place, self.beacon, self.food = (self.np_random.uniform(0, 1, 2) for _ in range(3))
        self.hazards = self.np_random.uniform(0, 1, (HAZARDS, 2))
        self.hunger, self.steps = 0.0, 0
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Observed, float, bool, bool, dict[str, Any]]:
        """Move; eat and take the reward where they are near."""
        self.place = np.clip(self.place + SPEED * np.clip(action, -1, 1), 0, 1)
        self.hunger, self.steps, reward = min(1.0, self.hunger + HUNGER_STEP), self.steps + 1, 0.0
        if np.linalg.norm(self.place - self.beacon) < BEACON_RADIUS:
            reward, self.beacon = 1.0, self.np_random.uniform(0, 1, 2)
        if np.linalg.norm(self.place - self.food) < FOOD_RADIUS:
            self.hunger, self.food = 0.0, self.np_random.uniform(0, 1, 2)
        hurt = bool((np.linalg.norm(self.place - self.hazards, axis=1) < HAZARD_RADIUS).any())
        starved = self.hunger >= 1.0
        rest = EPISODE - self.steps if starved else 0
        felt = {"hurt": hurt, "body": {"hunger": float(np.sqrt(self.hunger**2 + rest))}}
        return self._seen(), reward, starved, self.steps >= EPISODE, felt

    def _seen(self) -> Observed:
        things = np.concatenate([self.beacon[None], self.food[None], self.hazards]) - self.place
        return np.concatenate([2 * self.place - 1, things.ravel(), [self.hunger]]).astype(np.float32)


_MAKER: Any = Meadow
gymnasium.register("Meadow-v0", _MAKER, max_episode_steps=EPISODE)
