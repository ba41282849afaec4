"""The world model: a joint-embedding predictive architecture (JEPA): predicts states, never pixels (the paper, section 4)."""

from forethought.world_model.level import Level
from forethought.world_model.losses import world_model_loss
from forethought.world_model.monitors import CollapseMonitor, rankme

__all__ = ["CollapseMonitor", "Level", "rankme", "world_model_loss"]
