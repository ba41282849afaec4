"""The multilayer perceptron that all heads and predictors are made of."""

from __future__ import annotations

from torch import nn


def mlp(inputs: int, hidden: int, outputs: int, depth: int = 2) -> nn.Sequential:
    """`depth` hidden layers, each normalised (Ba et al. 2016) before its SiLU, then a linear one."""
    layers: list[nn.Module] = []
    size = inputs
    for _ in range(depth):
        layers += [nn.Linear(size, hidden), nn.LayerNorm(hidden), nn.SiLU()]
        size = hidden
    return nn.Sequential(*layers, nn.Linear(size, outputs))
