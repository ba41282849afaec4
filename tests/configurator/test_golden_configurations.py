"""What is chosen for a handful of worlds, data and budgets is what was chosen before: every setting and every reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from forethought.config import Configuration
from forethought.configurator import configure_online
from forethought.data.statistics import StoreStatistics
from forethought.types import ActionSpace, StreamSpec, WorldSpec
from golden_values import check_golden

NUMBERS = StreamSpec("numbers", (4,), "float32")
CHOICES, PUSHES = ActionSpace("discrete", 3), ActionSpace("continuous", 2, (-1.0, -2.0), (1.0, 2.0))
LONG = {"episodes": 1000, "rows": 50_000, "length_median": 50.0, "length_max": 50}
RISK = {"model.latent.num_codes": 4, "planner.risk.measure": "cvar", "planner.risk.cvar_level": 0.2}
FOUR = {"stream_mean": {"numbers": (0.0, 1.0, 2.0, 3.0)}, "stream_std": {"numbers": (1.0, 2.0, 0.0, 4.0)}}
OBJECTS = {"between_episodes": 0.19, "layout": 0.0, "at_rest": 0.77}
SITUATIONS: dict[str, dict[str, Any]] = {
    "pictures": {},
    "layouts change": {"seen": LONG | {"layout": 0.9}},
    "choices": {"world": {"action": CHOICES, "streams": (NUMBERS,)}, "seen": LONG | FOUR, "block": 1},
    "chance and risk": {"overrides": RISK, "seen": LONG},
    "levels": {"overrides": {"model.hierarchy.levels": 3}, "seen": LONG | {"length_median": 120.0, "length_max": 150}},
    "a minute": {"seconds": 60.0, "reproducible": True},
    "an hour": {"seconds": 3600.0, "reproducible": True, "seen": LONG},
    "fast decisions": {"ms_per_decision": 10.0, "reproducible": True},
    "objects": {"seen": OBJECTS},
    "hidden velocities": {"seen": LONG, "unexplained": (0.42, 0.14)},
    "drives": {"world": {"drives": ("pain", "hunger"), "streams": (NUMBERS,)}, "seen": FOUR, "seed": 7},
}


def content(configuration: Configuration) -> Any:
    """As it stands in its file."""
    return configuration.model_dump(mode="json")


def test_configurations_of_recorded_data(configured: Callable[..., Configuration]) -> None:
    check_golden("configurations", {name: content(configured(**situation)) for name, situation in SITUATIONS.items()})


@pytest.mark.parametrize("action", [CHOICES, PUSHES], ids=["choices", "pushes"])
def test_configurations_of_lives(action: ActionSpace) -> None:
    seen = StoreStatistics(
        episodes=8, rows=400, length_median=50.0, length_max=60, between_episodes=0.1, layout=0.0, at_rest=0.0, **FOUR
    )
    found = {}
    for name, asked in {
        "plain": {},
        "drives": {"drive_sizes": {"pain": 0.5, "hunger": 0.01}},
        "curious": {"curious": True},
        "memory": {"unexplained": (0.4, 0.1)},
        "from recordings": {"recorded": 15},
    }.items():
        spec = WorldSpec("toy", {}, (NUMBERS,), action, 100, 1, {}, tuple(asked.get("drive_sizes", ())))  # type: ignore[arg-type]
        found[name] = content(configure_online(spec, 1, seen, 5000, 0.8, **asked))  # type: ignore[arg-type]
    check_golden(f"configurations_of_lives_{action.kind}", found)
