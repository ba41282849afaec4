"""Tuning: refines by search what the configurator's rules leave open, on validation tasks, with the evidence of each choice.

The configurator's own configuration is trial 0 and takes part to the end. Trials change few settings of it; those that do well
on short trainings go on to longer ones (successive halving), then settings of the planner are searched on the best agent
without training. What was chosen is compared with the configurator's own on tasks that no trial has seen.
"""

from __future__ import annotations

from forethought.tuning.record import TUNING, TuningRecord, is_tuning, read_tuning
from forethought.tuning.search_space import SearchAxis, search_space
from forethought.tuning.tune import TuningResult, tune

__all__ = [
    "TUNING",
    "SearchAxis",
    "TuningRecord",
    "TuningResult",
    "is_tuning",
    "read_tuning",
    "search_space",
    "tune",
]
