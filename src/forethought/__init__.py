"""Forethought: an agent that learns a JEPA world model, predicts the outcomes of actions, and plans those of least cost.

Public names are loaded on first use, so that `import forethought` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forethought.agent import Agent
    from forethought.collecting import collect
    from forethought.config import Configuration
    from forethought.configurator.budget import Budget
    from forethought.data.store import EpisodeStore
    from forethought.errors import ForethoughtError
    from forethought.evaluation.evaluate import evaluate
    from forethought.evaluation.returns import evaluate_return
    from forethought.evaluation.score import Score
    from forethought.evaluation.store_examination.examine import examine_store
    from forethought.online.live import live
    from forethought.report.page import rebuild_report
    from forethought.training.agent_files import load
    from forethought.training.train import train
    from forethought.tuning.tune import tune
    from forethought.types import ObservationGoal, RewardGoal, Task, WeightedGoals
    from forethought.worlds.look import look
    from forethought.worlds.registry import make as make_world

__version__ = "0.1.0"

_PLACES = {
    "Agent": ("forethought.agent", "Agent"),
    "Budget": ("forethought.configurator.budget", "Budget"),
    "Configuration": ("forethought.config", "Configuration"),
    "EpisodeStore": ("forethought.data.store", "EpisodeStore"),
    "ForethoughtError": ("forethought.errors", "ForethoughtError"),
    "ObservationGoal": ("forethought.types", "ObservationGoal"),
    "RewardGoal": ("forethought.types", "RewardGoal"),
    "Score": ("forethought.evaluation.score", "Score"),
    "Task": ("forethought.types", "Task"),
    "WeightedGoals": ("forethought.types", "WeightedGoals"),
    "collect": ("forethought.collecting", "collect"),
    "evaluate": ("forethought.evaluation.evaluate", "evaluate"),
    "evaluate_return": ("forethought.evaluation.returns", "evaluate_return"),
    "examine_store": ("forethought.evaluation.store_examination.examine", "examine_store"),
    "live": ("forethought.online.live", "live"),
    "load": ("forethought.training.agent_files", "load"),
    "look": ("forethought.worlds.look", "look"),
    "make_world": ("forethought.worlds.registry", "make"),
    "rebuild_report": ("forethought.report.page", "rebuild_report"),
    "train": ("forethought.training.train", "train"),
    "tune": ("forethought.tuning.tune", "tune"),
}

__all__ = [
    "Agent",
    "Budget",
    "Configuration",
    "EpisodeStore",
    "ForethoughtError",
    "ObservationGoal",
    "RewardGoal",
    "Score",
    "Task",
    "WeightedGoals",
    "collect",
    "evaluate",
    "evaluate_return",
    "examine_store",
    "live",
    "load",
    "look",
    "make_world",
    "rebuild_report",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _PLACES:
        raise AttributeError(f"module 'forethought' has no attribute '{name}'")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "__version__"])
