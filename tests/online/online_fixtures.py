"""A small agent that learns rewards, for the tests of this folder."""

from __future__ import annotations

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration, DataSpec, ModelConfig, TrainingConfig


def settings(
    kind: str = "continuous",
    size: int = 1,
    block: int = 1,
    belief: int = 0,
    drives: tuple[str, ...] = (),
    pixels: bool = False,
    **online: float,
) -> Configuration:
    """Sizes of a few numbers; each drive weighs 2."""
    continuous = kind == "continuous"
    stream = {"name": "proprioception", "kind": "vector", "shape": (2,), "mean": (0.0, 0.0), "std": (1.0, 1.0)}
    if pixels:
        stream = {"name": "pixels", "kind": "image", "shape": (32, 32, 3), "mean": (100.0,) * 3, "std": (50.0,) * 3}
    data = DataSpec.model_validate(
        {
            "world": "lived_worlds:Slope", "streams": (stream,), "action_kind": kind, "action_size": size, "block": block,
            "low": (-1.0,) * size if continuous else (), "high": (1.0,) * size if continuous else (), "drives": drives,
        }
    )  # fmt: skip
    encoder = {"state_dim": 8, "hidden": 16}
    reward = {"critics": 2, "hidden": 16, "scale": 10.0, "bins": 33}
    model = ModelConfig.model_validate(
        {
            "encoder": encoder,
            "predictor": {"hidden": 16},
            "reward": reward,
            "retrieval_size": 0,
            "discount": 0.9,
            "belief_dim": belief,
        }
    )
    search = {"kind": "icem" if continuous else "categorical", "num_samples": 16, "num_iterations": 2, "num_elites": 4}
    cost = {"drive_weights": dict.fromkeys(drives, 2.0)}
    return Configuration.model_validate(
        {
            "data": data, "model": model, "planner": {"search": search, "horizon": 3, "retrieved_candidates": 0, "cost": cost},
            "training": TrainingConfig.model_validate({"online": {"batch": 32, **online}}),
        }
    )  # fmt: skip


def networks_of(configuration: Configuration) -> tuple[AgentNetworks, ActionCodec]:
    """Untrained."""
    return AgentNetworks(configuration), ActionCodec(configuration.data)
