"""The critic of the world's own reward: discounted future cost of a state and an action, an ensemble (the paper, p. 15).

Future cost is the negated return, so that lower is better, as in every cost. It is not bounded below.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.layers import EnsembleLinear

READ = 2
"""Members that a pessimistic read compares (REDQ, 2101.05982, algorithm 1)."""
BEND = 0.1
"""Errors above this share of the scale count linearly: endings are rare and far from what is expected."""


class ReturnCritic(nn.Module):
    """C members, each with two hidden layers, that read future cost from states and action blocks."""

    def __init__(self, state_dim: int, action_dim: int, members: int, hidden: int, scale: float) -> None:
        """`hidden`: width of the layers. `scale`: the size of future costs; their members predict shares of it."""
        super().__init__()
        self.members, self.scale = members, scale
        self.first = EnsembleLinear(members, state_dim + action_dim, hidden)
        self.second = EnsembleLinear(members, hidden, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, elementwise_affine=False) for _ in range(2))
        self.last = EnsembleLinear(members, hidden, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, states: Tensor, actions: Tensor, frozen: bool = False) -> Tensor:
        """Future cost by each member, as a share of the scale: [..., D] and [..., A] to [C, ...]."""
        pairs = torch.cat([states, actions], -1)
        values = pairs.reshape(1, -1, pairs.shape[-1]).expand(self.members, -1, -1)
        for layer, norm in ((self.first, self.norms[0]), (self.second, self.norms[1])):
            values = functional.silu(norm(layer(values, frozen)))
        shares: Tensor = self.last(values, frozen)
        return shares.view(self.members, *pairs.shape[:-1])

    def costs(self, states: Tensor, actions: Tensor, frozen: bool = False) -> Tensor:
        """Future cost by each member, in the world's unit: [..., D] and [..., A] to [C, ...]."""
        costs: Tensor = self(states, actions, frozen) * self.scale
        return costs

    def loss(self, states: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
        """Huber loss of all members against target costs [...], in shares of the scale: the members' mean, [...]."""
        shares: Tensor = self(states, actions)
        aim = (targets / self.scale).expand_as(shares)
        error: Tensor = functional.smooth_l1_loss(shares, aim, reduction="none", beta=BEND)
        return error.mean(0)

    def pessimistic(self, states: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The higher future cost of two members, [...]: drawn from `generator`, or the first two."""
        costs = self.costs(states, actions)
        if generator is None or self.members <= READ:
            return costs[:READ].amax(0)
        return costs[torch.randperm(self.members, generator=generator)[:READ]].amax(0)
