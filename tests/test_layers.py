"""The perceptron: as many hidden layers as asked for, and a linear end."""

from __future__ import annotations

import torch
from torch import nn

from forethought.layers import mlp


def test_depth_and_sizes() -> None:
    net = mlp(3, 8, 2, depth=3)
    assert net(torch.randn(5, 4, 3)).shape == (5, 4, 2)
    assert [layer.out_features for layer in net if isinstance(layer, nn.Linear)] == [8, 8, 8, 2]
    assert isinstance(net[-1], nn.Linear), "outputs are unbounded"


def test_without_hidden_layers_it_is_linear() -> None:
    net, first, second = mlp(3, 8, 2, depth=0), torch.randn(3), torch.randn(3)
    assert torch.allclose(net(first + second) - net(second), net(first) - net(torch.zeros(3)), atol=1e-5)
