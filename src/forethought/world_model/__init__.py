"""The world model: a joint-embedding predictive architecture (JEPA): predicts states, never pixels (the paper, section 4)."""

from forethought.world_model.check import check_world_model
from forethought.world_model.level import FirstLevel
from forethought.world_model.losses import world_model_loss
from forethought.world_model.monitors import CollapseMonitor, rankme

__all__ = ["CollapseMonitor", "FirstLevel", "check_world_model", "rankme", "world_model_loss"]
