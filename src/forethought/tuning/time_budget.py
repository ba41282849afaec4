"""The budget of a tuning in seconds: shares of its parts, and whole trainings that are short enough for a bracket of them."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path

from forethought.config import Configuration
from forethought.configurator.rules import LEAST_FRAMES
from forethought.errors import ForethoughtError
from forethought.execution import Executor, run_units
from forethought.training.record import frames_of, training_record
from forethought.tuning.halving import BRACKET, ETA, RUNGS, rung_changes
from forethought.tuning.trial_units import TrainingUnit, TrialSetting

SEARCH_UNTIL, PLANNING_UNTIL = 0.7, 0.85
"""Shares of the budget at which the search of trainings, and that of planner settings, begin nothing new."""
MEASURED = 1 / 27
"""Share of a whole training that measures its speed."""
SLACK = 1.1
"""A bracket is expected to take so many times what the last one took."""


class TimeBudget:
    """Counts the seconds of a tuning over all of its processes."""

    def __init__(self, seconds: float | None, spent: float) -> None:
        """`seconds`: None for no limit. spent: by earlier processes."""
        self.seconds, self._spent, self._started = seconds, spent, time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds so far."""
        return self._spent + time.monotonic() - self._started

    def past(self, share: float) -> bool:
        """Whether a share of the budget is spent."""
        return self.seconds is not None and self.elapsed > share * self.seconds

    def fits_another(self, bracket: float, workers: int) -> bool:
        """Whether a bracket like the last one, whose units took so many seconds in all, fits into the search."""
        return self.seconds is None or self.elapsed + SLACK * bracket / workers < SEARCH_UNTIL * self.seconds


def fitting_scale(trials: Path, own: Configuration, setting: TrialSetting, executor: Executor, budget: TimeBudget) -> float:
    """Share of the configurator's steps that lets a bracket of trials fit into the budget, 1 at most.

    Raises:
        ForethoughtError: then a world model would learn too little; says how many seconds are needed.
    """
    assert budget.seconds is not None
    folder = trials / "measured"
    shutil.rmtree(folder, ignore_errors=True)
    unit = TrainingUnit(0, setting, folder, None, own.changed(rung_changes(own, MEASURED), "measured"), must=True)
    ((_, result),) = run_units(executor, [unit])
    steps = sum(training_record(folder)["seconds"].values())
    shutil.rmtree(folder, ignore_errors=True)
    workers, members = min(executor.workers, BRACKET), [BRACKET, BRACKET // ETA + 1, BRACKET // ETA**2 + 1]
    rounds = [math.ceil(count / workers) for count in members]
    whole = steps / MEASURED * sum(share * count for share, count in zip(RUNGS, rounds, strict=True))
    beside = (result.seconds - steps) * sum(rounds)
    scale = min(1.0, (SEARCH_UNTIL * budget.seconds - budget.elapsed - beside) / whole)
    frames = frames_of(own, own.training.world_model_steps)
    if scale < 1 and scale * frames < LEAST_FRAMES:
        least = min(1.0, LEAST_FRAMES / frames)
        need = math.ceil((budget.elapsed + beside + least * whole) / SEARCH_UNTIL)
        raise ForethoughtError(
            f"A budget of {budget.seconds:g} s is too small to tune on this store: a bracket of {BRACKET} trials with "
            f"{len(setting.tasks.tasks) if setting.tasks else 0} tasks each needs about {need} s here; give more seconds, "
            "fewer --tasks, or --workers."
        )
    return float(scale)
