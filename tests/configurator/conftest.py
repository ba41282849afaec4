"""Worlds and figures of data that were never recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from forethought.config import Configuration
from forethought.configurator import Budget, configure
from forethought.data.statistics import StoreStatistics
from forethought.types import ActionSpace, StreamSpec, WorldSpec

PIXELS, NUMBERS = StreamSpec("pixels", (64, 64, 3), "uint8"), StreamSpec("proprioception", (4,), "float32")
SEEN = StoreStatistics(
    episodes=100, rows=2000, length_median=20.0, length_max=20,
    stream_mean={"pixels": (90.0, 80.0, 70.0), "proprioception": (0.0, 1.0, 2.0, 3.0)},
    stream_std={"pixels": (30.0, 20.0, 0.5), "proprioception": (1.0, 2.0, 0.0, 4.0)},
    between_episodes=0.06, layout=0.06, at_rest=0.06,
)  # fmt: skip


@pytest.fixture
def configured() -> Callable[..., Configuration]:
    """`configure` on a world and figures that differ from the usual ones by keyword."""

    def make(
        seen: dict[str, Any] | None = None,
        world: dict[str, Any] | None = None,
        overrides: dict[str, Any] | None = None,
        block: int = 5,
        seed: int = 0,
        unexplained: tuple[float, float] = (0.0, 0.0),
        **budget: float,
    ) -> Configuration:
        spec = WorldSpec("toy", {}, (PIXELS,), ActionSpace("continuous", 2, (-1.0, -2.0), (1.0, 2.0)), 100)
        figures = replace(SEEN, **(seen or {}))
        return configure(
            replace(spec, **(world or {})), block, figures, budget=Budget(**budget), unexplained=unexplained,
            overrides=overrides, seed=seed,
        )  # fmt: skip

    return make
