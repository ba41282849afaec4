"""Frozen, validated settings of every module by lifetime; each has a description, a range and a reason."""

from forethought.config.base import FrozenDict, ObjectiveChange, Reason, Settings, shown
from forethought.config.configuration import CONFIGURATION, LIFETIMES, Configuration
from forethought.config.data_spec import DataSpec, StreamSettings
from forethought.config.model_config import (
    CodesConfig,
    ContinuousLatentConfig,
    EncoderConfig,
    HierarchyConfig,
    LatentConfig,
    ModelConfig,
    NoLatentConfig,
    PredictorConfig,
    RewardConfig,
)
from forethought.config.planner_config import (
    CategoricalConfig,
    CEMConfig,
    CostConfig,
    GradientConfig,
    ICEMConfig,
    MPPIConfig,
    OwnPlannerConfig,
    PlannerConfig,
    ReplanningConfig,
    RiskConfig,
    SearchConfig,
    UpperPlannerConfig,
)
from forethought.config.training_config import LossConfig, OnlineConfig, TrainingConfig

__all__ = [
    "CONFIGURATION",
    "LIFETIMES",
    "CEMConfig",
    "CategoricalConfig",
    "CodesConfig",
    "Configuration",
    "ContinuousLatentConfig",
    "CostConfig",
    "DataSpec",
    "EncoderConfig",
    "FrozenDict",
    "GradientConfig",
    "HierarchyConfig",
    "ICEMConfig",
    "LatentConfig",
    "LossConfig",
    "MPPIConfig",
    "ModelConfig",
    "NoLatentConfig",
    "ObjectiveChange",
    "OnlineConfig",
    "OwnPlannerConfig",
    "PlannerConfig",
    "PredictorConfig",
    "Reason",
    "ReplanningConfig",
    "RewardConfig",
    "RiskConfig",
    "SearchConfig",
    "Settings",
    "StreamSettings",
    "TrainingConfig",
    "UpperPlannerConfig",
    "shown",
]
