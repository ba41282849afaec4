"""Distance between states as a quasimetric: not symmetric, zero for equal states, and it obeys the triangle inequality.

The critic learns by TD, which propagates distances one step at a time: beyond some 40 blocks it ranks goals worse than chance.
A quasimetric obeys the triangle inequality by construction. Quasimetric RL (Wang et al. 2023, QRL, 2304.01203) therefore only
bounds the distances of logged segments from above and maximizes all others. The largest distances that satisfy these
constraints are the lengths of the shortest paths.

The head is an interval quasimetric embedding (Wang and Isola 2022, IQE, 2211.15120): each state is C x E interval ends, and
the distance of a component is the length that the union of the goal's intervals has beyond the state's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.cost.contract import Cost, Imagined
from forethought.data_parallel import whole_batch
from forethought.goals import EncodedGoal, state_of
from forethought.layers import mlp
from forethought.whitening import Whitening

COMPONENTS, ENDS = 16, 8
MAX_DISTANCE, SOFTNESS = 100.0, 0.05
"""Distance in blocks beyond which pairs are not pushed apart further, and the softplus beta of that limit."""
TOLERANCE = 0.005
"""Tolerated mean squared relative excess of distances over logged gaps."""
INITIAL_WEIGHT, MULTIPLIER_RATE, MAX_MULTIPLIER = 30.0, 0.01, 1e3
"""Of the constraint: its initial weight, the learning rate of its Lagrange multiplier, and the multiplier's maximum."""


class Reachability(Cost):
    """D(s, g) in blocks: 0 for s = g, D(s, g) <= D(s, m) + D(m, g) for every m."""

    name = "reachability"

    def __init__(self, state_dim: int, hidden: int) -> None:
        """`state_dim`: D. `hidden`: width of the hidden layers."""
        super().__init__()
        self.scale = Whitening(state_dim)
        self.ends = mlp(state_dim, hidden, COMPONENTS * ENDS)
        self.peak = nn.Parameter(torch.zeros(()))

    def embed(self, states: Tensor) -> Tensor:
        """[..., D] to interval ends [..., C, E]."""
        return torch.unflatten(self.ends(self.scale(states)), -1, (COMPONENTS, ENDS))

    def between(self, start: Tensor, goal: Tensor) -> Tensor:
        """Blocks between embedded states, [..., C, E] each, to [...]: a mixture of the largest and the mean component."""
        low, order = start.sort(-1)
        high = torch.maximum(goal, start).gather(-1, order)
        covered = torch.cat([low[..., :1], torch.maximum(low[..., 1:], high.cummax(-1).values[..., :-1])], -1)
        length = (high - covered).clamp_min(0).sum(-1)
        peak = torch.sigmoid(self.peak)
        return peak * length.amax(-1) + (1 - peak) * length.mean(-1)

    def distance(self, states: Tensor, goals: Tensor) -> Tensor:
        """Blocks from each state [..., D] to its goal [..., D]: [...], >= 0."""
        return self.between(self.embed(states), self.embed(goals))

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """See `Cost.forward`: blocks from each imagined state to the goal."""
        return self.between(self.embed(imagined.states), self.embed(state_of(goal))[:, None, None])


class ReachabilityLoss(nn.Module):
    """Maximize distances subject to the logged gaps, with a Lagrange multiplier for the constraint (QRL, eq. 8).

    Attributes: lagrange_multiplier: of the constraint on logged paths, a scalar buffer.
    """

    lagrange_multiplier: Tensor

    def __init__(self) -> None:
        """The multiplier starts at 1."""
        super().__init__()
        self.register_buffer("lagrange_multiplier", torch.ones(()))

    def forward(self, reach: Reachability, start: Tensor, later: Tensor, gap: Tensor, others: Tensor) -> Tensor:
        """The loss of one batch; updates the multiplier.

        Args:
            reach: the head that is trained. start, later: [B, D], logged; `later` follows `start` by `gap` [B] blocks.
            others: [B, D], random states, to be pushed away from `start`.
        """
        embedded = reach.embed(start)
        excess = (reach.between(embedded, reach.embed(later)) / gap - 1).clamp_min(0).square().mean()
        repulsion = functional.softplus(MAX_DISTANCE - reach.between(embedded, reach.embed(others)), beta=SOFTNESS).mean()
        with torch.no_grad():
            violation = ((whole_batch(excess[None]).mean() - TOLERANCE) / TOLERANCE).clamp(-1, 1)
            multiplier = self.lagrange_multiplier.clone()
            self.lagrange_multiplier.mul_(torch.exp(MULTIPLIER_RATE * violation)).clamp_(1 / MAX_MULTIPLIER, MAX_MULTIPLIER)
        return repulsion / MAX_DISTANCE + INITIAL_WEIGHT / MAX_DISTANCE * multiplier * excess
