"""How far one state is from another, as a quasimetric: directed, zero at home, and never longer than any detour.

The critic learns by TD, which carries a far goal's distance back a step at a time: beyond some 40 blocks it ranks goals worse
than chance. A quasimetric obeys the triangle inequality by construction. So it is enough to tell it what is near, and to push
all else apart: the longest distances that every logged stretch allows are the shortest ways (Wang et al. 2023, QRL,
2304.01203).

The head is an interval quasimetric embedding (Wang and Isola 2022, IQE, 2211.15120): each state is C x E interval ends, and
the distance of a component is the length that the union of the goal's intervals has beyond the state's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.cost.contract import Cost, Imagined
from forethought.goals import EncodedGoal, state_of
from forethought.layers import mlp
from forethought.whitening import Whitening

COMPONENTS, ENDS = 16, 8
FARTHEST, SOFTNESS = 100.0, 0.05
"""Blocks beyond which a pair is pushed apart no more, and how softly that sets in."""
TOLERANCE = 0.005
"""Mean squared share by which distances may exceed the logged gaps."""
PRESSURE, PATIENCE, DEAREST = 30.0, 0.01, 1e3
"""Of the constraint: its first weight, how fast its price moves, and its highest price."""


class Reachability(Cost):
    """D(s, g) in blocks: 0 for s = g, D(s, g) <= D(s, m) + D(m, g) for every m."""

    name = "reachability"

    def __init__(self, state_dim: int, hidden: int) -> None:
        """`state_dim`: D."""
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
    """Push all pairs apart, as far as what was logged allows; the price of breaking that is found on the way (QRL, eq. 8)."""

    price: Tensor

    def __init__(self) -> None:
        """The price starts at 1."""
        super().__init__()
        self.register_buffer("price", torch.ones(()))

    def forward(self, reach: Reachability, start: Tensor, later: Tensor, gap: Tensor, others: Tensor) -> Tensor:
        """The loss of one batch; moves the price.

        Args:
            reach: what learns. start, later: [B, D], logged, with `later` seen [B] `gap` blocks after `start`.
            others: [B, D], any states, to be far from `start`.
        """
        here = reach.embed(start)
        excess = (reach.between(here, reach.embed(later)) / gap - 1).clamp_min(0).square().mean()
        apart = functional.softplus(FARTHEST - reach.between(here, reach.embed(others)), beta=SOFTNESS).mean()
        with torch.no_grad():
            drift = ((excess - TOLERANCE) / TOLERANCE).clamp(-1, 1)
            price = self.price.clone()
            self.price.mul_(torch.exp(PATIENCE * drift)).clamp_(1 / DEAREST, DEAREST)
        return apart / FARTHEST + PRESSURE / FARTHEST * price * excess
