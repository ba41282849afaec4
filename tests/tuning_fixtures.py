"""A small store of a Gymnasium environment in numbers, and one tiny tuning on it, made once a session."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tiny
from forethought.data import EpisodeStore
from forethought.data.collection import collect
from forethought.tuning import TuningResult, comparison, tune

OPTIONS: dict[str, Any] = {"streams": ["proprioception"], "max_steps": 20}
FIXED: dict[str, Any] = {
    name: value
    for name, value in tiny.SMALL.items()
    if name not in ("planner.search.num_iterations", "model.predictor.hidden", "model.encoder.state_dim")
}
"""Overrides that make a training a matter of a second, and leave most questions open."""
TRIALS, TASKS = 4, 6
FIRST = 3
"""Rungs of a trial that goes on to the end."""


@cache
def swing_store() -> EpisodeStore:
    """Pendulum-v1: 48 episodes of 4 blocks."""
    out = tiny.folder() / "swing"
    return collect("Pendulum-v1", out=out, episodes=48, options=OPTIONS, workers=0, progress=False)


def tune_tiny(out: Path, **how: Any) -> TuningResult:
    """A tuning of four trials and four fresh tasks, whichever test asks for it first."""
    with patch.object(comparison, "FRESH_TASKS", 4):
        return tune(swing_store(), out=out, **{"trials": TRIALS, "tasks": TASKS, "config": FIXED, "device": "cpu"} | how)


@cache
def tiny_tuning() -> TuningResult:
    """That tuning, finished."""
    return tune_tiny(tiny.folder() / "tuning")
