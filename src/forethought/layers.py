"""The multilayer perceptron of all heads and predictors, and its LSUV initialisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def mlp(inputs: int, hidden: int, outputs: int, depth: int = 2) -> nn.Sequential:
    """`depth` hidden layers with LayerNorm (Ba et al. 2016) and SiLU, then a linear layer."""
    layers: list[nn.Module] = []
    size = inputs
    for _ in range(depth):
        layers += [nn.Linear(size, hidden), nn.LayerNorm(hidden), nn.SiLU()]
        size = hidden
    return nn.Sequential(*layers, nn.Linear(size, outputs))


@torch.no_grad()
def lsuv_init_(last: nn.Linear, outputs: Tensor) -> None:
    """LSUV: scale a new last layer so that its `outputs` [N, D] have zero mean, unit variance (Mishkin and Matas 2015)."""
    mean, std = outputs.mean(0), outputs.std(0).clamp_min(1e-6)
    last.weight.div_(std[:, None])
    last.bias.sub_(mean).div_(std)


def zeroed(net: nn.Sequential) -> nn.Sequential:
    """The same network with a last layer of zeros: its outputs begin at 0, and all bins of a distribution alike."""
    last = net[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return net


class EnsembleLinear(nn.Module):
    """Linear layers of C members, applied together: [C, N, inputs] to [C, N, outputs]."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        """Initialised as `nn.Linear`."""
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, values: Tensor, frozen: bool = False) -> Tensor:
        """`frozen`: gradients reach the values but not the weights."""
        weight, bias = (self.weight.detach(), self.bias.detach()) if frozen else (self.weight, self.bias)
        return torch.baddbmm(bias, values, weight)
