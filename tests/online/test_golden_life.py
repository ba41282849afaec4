"""Short lives go as they went before: what happened in them, every reading of the learner, the weights they end with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lived_worlds import SLOPE

import forethought as ft
from golden_values import check_golden, summary

STEPS = 110
SMALL: dict[str, Any] = {
    "model.encoder.state_dim": 8, "model.encoder.hidden": 16, "model.predictor.hidden": 16, "model.reward.hidden": 16,
    "training.online.updates_per_step": 0.3, "training.online.batch": 16, "training.online.random_steps": 45,
    "training.online.evaluation_steps": 60, "planner.search.num_samples": 16, "planner.search.num_elites": 4,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "world", "config"),
    [
        ("continuous", SLOPE, {}),
        ("choices", "lived_worlds:Stairs", {}),
        ("memory", SLOPE, {"model.belief_dim": 8}),
    ],
)
def test_a_life(tmp_path: Path, kind: str, world: str, config: dict[str, Any]) -> None:
    agent = ft.live(world, out=tmp_path / "run", steps=STEPS, config=SMALL | config, seed=3)
    record = json.loads((tmp_path / "run" / "life.json").read_text())
    found = {
        "record": {name: record[name] for name in ("steps", "episodes", "returns", "evaluations")},
        "weights": {name: summary(values) for name, values in agent.modules.state_dict().items() if values.numel()},
        "chosen": {reason.setting: [reason.value, reason.because] for reason in agent.configuration.reasons},
    }
    check_golden(f"life_{kind}", found, relative=2e-3, absolute=2e-3)
