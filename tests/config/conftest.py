"""A configuration of a small world."""

from __future__ import annotations

import pytest

from forethought.config import Configuration


@pytest.fixture
def configuration() -> Configuration:
    return Configuration.model_validate(
        {
            "data": {
                "world": "here", "options": {"doors": "fixed"}, "action_kind": "continuous", "action_size": 2,
                "low": (-1, -1), "high": (1, 1), "block": 5,
                "streams": [{"name": "place", "shape": (2,), "mean": (0, 0), "std": (1, 1)}],
            },
            "planner": {"cost": {"drive_weights": {"effort": 0.5}}},
        }
    )  # fmt: skip
