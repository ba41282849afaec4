"""The world model: a joint-embedding predictive architecture (JEPA), predicts states, not pixels (the paper, section 4)."""

from forethought.world_model.check import check_predictor, check_world_model
from forethought.world_model.extra_terms import LossInputs
from forethought.world_model.jepa import JEPALevel, make_world_model
from forethought.world_model.level import Context, FirstLevel
from forethought.world_model.losses import world_model_loss
from forethought.world_model.monitors import CollapseMonitor, rankme
from forethought.world_model.predictors import Predictor

__all__ = [
    "CollapseMonitor",
    "Context",
    "FirstLevel",
    "JEPALevel",
    "LossInputs",
    "Predictor",
    "check_predictor",
    "check_world_model",
    "make_world_model",
    "rankme",
    "world_model_loss",
]
