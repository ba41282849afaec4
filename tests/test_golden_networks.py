"""Untrained networks of every kind, and their answers to fixed inputs, are what they were: initial weights, forward passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from forethought.config import Configuration
from forethought.perception import to_tensors
from forethought.training.agent_files import untrained_networks
from golden_values import check_golden, summary

PICTURES = {"name": "pixels", "kind": "image", "shape": [32, 32, 3], "mean": [100.0] * 3, "std": [50.0] * 3}
NUMBERS = {"name": "numbers", "kind": "vector", "shape": [3], "mean": [0.0, 1.0, 2.0], "std": [1.0, 2.0, 3.0]}
REWARD = {"reward": {"critics": 2, "hidden": 16, "scale": 10.0, "bins": 9}}
LEARNED = {"levels": 3, "kind": "learned", "stride": 2, "state_dim": 12, "macro_dim": 3, "hidden": 32, "retrieval_size": 64}
VIT = {"image": "vit", "patch": 8, "depth": 1, "heads": 2, "width": 8}
TRANSFORMER = {"kind": "transformer", "hidden": 16, "heads": 2}
KINDS: dict[str, dict[str, Any]] = {
    "numbers": {},
    "convolution": {"streams": [PICTURES, NUMBERS]},
    "spatial softmax": {"streams": [PICTURES, NUMBERS], "encoder": {"image": "spatial-softmax"}},
    "vit": {"streams": [PICTURES], "encoder": VIT},
    "tokens": {"streams": [PICTURES], "encoder": VIT | {"tokens": 4}},
    "transformer": {"predictor": TRANSFORMER | {"context": 3}},
    "codes": {"latent": {"kind": "codes", "num_codes": 3}},
    "gaussian": {"latent": {"kind": "gaussian"}},
    "sparse": {"latent": {"kind": "sparse"}},
    "noisy": {"latent": {"kind": "noisy"}},
    "rewards of choices": {"discrete": True, **REWARD},
    "rewards and belief": {**REWARD, "belief_dim": 4, "drives": ["pain"]},
    "levels": {"hierarchy": LEARNED},
    "landmarks": {"hierarchy": {"levels": 2, "kind": "graph", "landmarks": 6}},
}


def configuration_of(
    streams: tuple[dict[str, Any], ...] | list[dict[str, Any]] = (NUMBERS,),
    encoder: dict[str, Any] | None = None,
    discrete: bool = False,
    drives: tuple[str, ...] | list[str] = (),
    **model: Any,
) -> Configuration:
    bounds = {"low": [], "high": []} if discrete else {"low": [-1.0, -2.0], "high": [1.0, 2.0]}
    kind = "discrete" if discrete else "continuous"
    data = {"world": "toy", "streams": streams, "action_kind": kind, "action_size": 2, "block": 2, "drives": drives, **bounds}
    small = {"encoder": {"state_dim": 8, "hidden": 16, "width": 8} | (encoder or {}), "critic_hidden": 16, "policy_hidden": 16}
    sizes = {"predictor": {"hidden": 16}, "retrieval_size": 8, "retrieval_horizon": 3, **small, **model}
    planner = {"horizon": 3, "retrieved_candidates": 4, "search": {"kind": "categorical" if discrete else "icem"}}
    return Configuration.model_validate({"data": data, "model": sizes, "planner": planner})


@pytest.mark.parametrize("kind", KINDS)
def test_networks(kind: str) -> None:
    configuration = configuration_of(**KINDS[kind])
    networks, generator = untrained_networks(configuration).eval(), torch.Generator().manual_seed(0)
    level, data, found = networks.world_model, configuration.data, dict[str, Tensor]()
    shapes = {stream.name: (4, *stream.shape) for stream in data.streams}
    seen = {name: 100 * torch.rand(shape, generator=generator) for name, shape in shapes.items()}
    observation = {name: values.to(torch.uint8) if name == "pixels" else values for name, values in seen.items()}
    blocks = torch.rand(4, data.block_size, generator=generator)
    with torch.no_grad():
        state = level.encode(to_tensors({name: values.numpy() for name, values in observation.items()}, data.streams))
        found["state"] = state
        if networks.belief is None:
            found["next"] = level.step(state, blocks, None) if level.latent is None else level.latent.outcomes(state, blocks)[1]
            found["distance"] = networks.critic.distance(state, state.flip(0))
            found["policy"] = networks.policy(state, state.flip(0))
    answers = {name: summary(values) for name, values in found.items()}
    weights = {name: summary(values) for name, values in networks.state_dict().items() if values.numel()}
    check_golden(f"networks_{kind.replace(' ', '_')}", {"answers": answers, "weights": weights}, relative=1e-3, absolute=1e-4)
