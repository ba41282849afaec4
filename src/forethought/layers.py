"""The multilayer perceptron that all heads and predictors are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def mlp(inputs: int, hidden: int, outputs: int, depth: int = 2) -> nn.Sequential:
    """`depth` hidden layers, each normalised (Ba et al. 2016) before its SiLU, then a linear one."""
    layers: list[nn.Module] = []
    size = inputs
    for _ in range(depth):
        layers += [nn.Linear(size, hidden), nn.LayerNorm(hidden), nn.SiLU()]
        size = hidden
    return nn.Sequential(*layers, nn.Linear(size, outputs))


@torch.no_grad()
def lsuv_init_(last: nn.Linear, outputs: Tensor) -> None:
    """Scale an untrained last layer so that its `outputs` [N, D] get zero mean and unit variance (Mishkin and Matas 2015)."""
    mean, std = outputs.mean(0), outputs.std(0).clamp_min(1e-6)
    last.weight.div_(std[:, None])
    last.bias.sub_(mean).div_(std)
