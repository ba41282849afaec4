"""Golden loss curves: 50 tiny steps of each phase give the losses that they gave before, to one part in 100,000.

A change here is a decision: what a default training learns is no longer the same. To make the file again after such a decision,
and to look at what changed: `PYTHONPATH=src:tests python tests/training/test_golden_losses.py`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

import tiny
from forethought.training import loop
from forethought.training.train import train

GOLDEN = Path(__file__).with_name("golden_losses.json")
STEPS, EVERY = 50, 7
LEVELS: dict[str, Any] = tiny.LEVELS | {"model.hierarchy.levels": 2}
COUNTS = ("world_model", "critic", "policy", "levels", "distances")
KINDS: dict[str, dict[str, Any]] = {
    "deterministic": {
        "training.loss.expander": 16,
        "training.loss.masked_prediction": 0.5,
        "training.loss.sigreg": 0.1,
        "training.loss.episode_infonce": 0.5,
    },
    "codes": tiny.CODES,
}


def curves(kind: str) -> dict[str, list[float]]:
    """Every seventh loss of each phase, and the last."""
    losses: dict[str, list[float]] = {}
    plain = loop.take_step

    def watched(phase: Any, *given: Any) -> Any:
        found = plain(phase, *given)
        losses.setdefault(phase.name, []).append(float(found[0]))
        return found

    steps = {f"training.{phase}_steps": STEPS for phase in COUNTS}
    config = (
        tiny.SMALL | tiny.POINTS | LEVELS | steps | {"training.predictor_steps": 25, "training.rollout_steps": 25} | KINDS[kind]
    )
    with tempfile.TemporaryDirectory() as folder, patch.object(loop, "take_step", watched):
        train(tiny.point_store(False), out=Path(folder) / "run", config=config)
    return {name: [*values[::EVERY], values[-1]] for name, values in losses.items()}


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_what_they_were(kind: str, threads: None) -> None:
    golden = json.loads(GOLDEN.read_text())["losses"][kind]
    found = curves(kind)
    assert list(found) == list(golden) == ["world model", "predictor", "critic", "levels", "distances", "policy"]
    for phase, values in found.items():
        assert values == pytest.approx(golden[phase], rel=1e-5), phase


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = {
        kind: {phase: [float(f"{value:.7g}") for value in values] for phase, values in curves(kind).items()} for kind in KINDS
    }
    GOLDEN.write_text(json.dumps({"how to remake": __doc__.split("`")[1], "losses": made}, indent=1) + "\n")
