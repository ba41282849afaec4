"""How little the world model knows: disagreement of an ensemble of predictors (Plan2Explore, 2005.05960, section 3).

Members that have seen enough agree, also on the mean of what is random: noise that cannot be learned stops being interesting.

Axes: D numbers in a state, A in a block, M members.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.layers import EnsembleLinear

MEMBERS, HIDDEN = 5, 64
RATE = 0.05
"""Rate of the running mean: slow enough for one batch not to count, fast enough to forget the untrained members."""
MOST, TINY = 10.0, 1e-12


class Disagreement(nn.Module):
    """M small predictors of the next state, which differ by their first weights and see the same data.

    Attributes: usual: a running mean of the disagreement on recorded blocks, the unit of novelty.
    """

    usual: Tensor

    def __init__(self, state_dim: int, action_dim: int) -> None:
        """Sizes of states and blocks."""
        super().__init__()
        self.first = EnsembleLinear(MEMBERS, state_dim + action_dim, HIDDEN)
        self.second = EnsembleLinear(MEMBERS, HIDDEN, HIDDEN)
        self.last = EnsembleLinear(MEMBERS, HIDDEN, state_dim)
        self.register_buffer("usual", torch.zeros(()))

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        """Each member's change of state: [..., D] and [..., A] to [M, ..., D]."""
        pairs = torch.cat([states, actions], -1)
        values = pairs.reshape(1, -1, pairs.shape[-1]).expand(MEMBERS, -1, -1)
        values = functional.silu(self.second(functional.silu(self.first(values))))
        changes: Tensor = self.last(values)
        return changes.view(MEMBERS, *states.shape)

    def loss(self, states: Tensor, actions: Tensor, following: Tensor) -> Tensor:
        """Squared error of all members, [...]; states and targets are detached."""
        changes: Tensor = self(states.detach(), actions)
        error: Tensor = (changes - (following - states).detach()).square().mean(-1).mean(0)
        return error

    @torch.no_grad()
    def novelty(self, states: Tensor, actions: Tensor) -> Tensor:
        """Variance between the members in units of what is usual, [...], at most `MOST`: about 1 where the agent has been.

        A unit that falls as the members learn: what is left to see stays worth as much as it was at first.
        """
        return (self._variance(states, actions) / self.usual.clamp_min(TINY)).clamp_max(MOST)

    @torch.no_grad()
    def observe(self, states: Tensor, actions: Tensor) -> None:
        """Follow the usual disagreement on recorded blocks."""
        now = self._variance(states, actions).mean()
        self.usual.copy_(torch.where(self.usual > 0, torch.lerp(self.usual, now, RATE), now))

    def _variance(self, states: Tensor, actions: Tensor) -> Tensor:
        changes: Tensor = self(states, actions)
        return changes.var(0, correction=0).mean(-1)
