"""The budget of a tuning in seconds: shares of its parts, and whole trainings that are short enough for a bracket of them."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from forethought.config import Configuration
from forethought.configurator.budget_rules import LEAST_FRAMES
from forethought.errors import ForethoughtError
from forethought.execution import Executor, run_units
from forethought.training.record import frames_of, training_record
from forethought.tuning.halving import BRACKET, ETA, RUNG_TASKS, RUNGS, rung_changes
from forethought.tuning.trial_units import TrainingUnit, TrialSetting

SEARCH_UNTIL, PLANNING_UNTIL, FINALS_UNTIL = 0.55, 0.8, 0.9
"""Shares of the budget at which the search of trainings, that of planner settings, and their finals begin nothing new."""
SCORING, FEWEST_TASKS = 0.4, 12
"""Share of the search that acting in validation tasks may take, and their least number."""
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


@dataclass(frozen=True)
class BudgetFit:
    """What fits. Fields: scale: share of the configurator's steps in a whole training, 1 at most. tasks: of the validation."""

    scale: float
    tasks: int


def fit_to_budget(trials: Path, own: Configuration, setting: TrialSetting, executor: Executor, budget: TimeBudget) -> BudgetFit:
    """Steps and tasks with which a bracket of trials fits into the search, from a short training that is measured.

    Raises:
        ForethoughtError: then a world model would learn too little; says how many seconds are needed.
    """
    assert budget.seconds is not None
    folder, asked = trials / "measured", 0 if setting.tasks is None else len(setting.tasks.tasks)
    shutil.rmtree(folder, ignore_errors=True)
    few = min(asked, FEWEST_TASKS)
    unit = TrainingUnit(0, setting, folder, None, own.changed(rung_changes(own, MEASURED), "measured"), few, must=True)
    ((_, result),) = run_units(executor, [unit])
    steps = sum(training_record(folder)["seconds"].values())
    shutil.rmtree(folder, ignore_errors=True)
    workers, members = min(executor.workers, BRACKET), [BRACKET, BRACKET // ETA + 1, BRACKET // ETA**2 + 1]
    rounds = [math.ceil(count / workers) for count in members]
    whole = steps / MEASURED * sum(share * count for share, count in zip(RUNGS, rounds, strict=True))
    task = (result.seconds - result.training) / max(1, few)
    for_tasks = task * sum(share * count for share, count in zip(RUNG_TASKS, rounds, strict=True))
    beside = (result.training - steps) * sum(rounds) + budget.elapsed
    available = SEARCH_UNTIL * budget.seconds - beside
    tasks = max(few, min(asked, int(SCORING * available / for_tasks)))
    scale = min(1.0, (available - tasks * for_tasks) / whole)
    frames = frames_of(own, own.training.world_model_steps)
    if scale < 1 and scale * frames < LEAST_FRAMES:
        need = math.ceil((beside + few * for_tasks + min(1.0, LEAST_FRAMES / frames) * whole) / SEARCH_UNTIL)
        raise ForethoughtError(
            f"A budget of {budget.seconds:g} s is too small to tune on this store: a bracket of {BRACKET} trials needs about "
            f"{need} s here; give more seconds or --workers."
        )
    return BudgetFit(float(scale), tasks)
