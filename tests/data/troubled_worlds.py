"""A Gymnasium environment that raises, dies, hangs, prints or goes blank in the episodes whose seeds it is given."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np


class Troubled(gymnasium.Env[Any, Any]):
    """`trouble`: seed (as text, for JSON) -> `raise`, `die`, `hang`, `nan`; `*` stands for every seed."""

    observation_space = gymnasium.spaces.Dict(
        {
            "pixels": gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8),
            "state": gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32),
        }
    )
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, trouble: Mapping[str, str] | None = None) -> None:
        self.trouble = trouble or {}

    def _see(self) -> dict[str, Any]:
        pixels = np.random.default_rng([self.seeded, self.steps]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return {"pixels": pixels, "state": self.state}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.seeded, self.steps, self.state = seed or 0, 0, np.zeros(2, np.float32)
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        sys.stdout.write("an environment may print\n")
        self.steps += 1
        self.state = self.state + np.asarray(action, np.float32)
        what = self.trouble.get(str(self.seeded), self.trouble.get("*")) if self.steps == 3 else None
        if what == "raise":
            raise RuntimeError("a wheel came off")
        if what == "die":
            os.kill(os.getpid(), 9)
        if what == "hang":
            time.sleep(1000)
        if what == "nan":
            self.state = self.state * np.float32("nan")
        return self._see(), 0.0, False, False, {}


gymnasium.register("Troubled-v0", entry_point=Troubled)
