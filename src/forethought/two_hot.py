"""Numbers of any scale as a distribution over bins: two-hot over symlog (DreamerV3, 2301.04104, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FARTHEST = 10.0
"""The outermost bins, in symlog: numbers up to 22,025 in size."""


def symlog(values: Tensor) -> Tensor:
    """sign(x) log(1 + |x|): near 0 as x, far away as a logarithm."""
    return torch.sign(values) * torch.log1p(values.abs())


def symexp(values: Tensor) -> Tensor:
    """The inverse of `symlog`."""
    return torch.sign(values) * torch.expm1(values.abs())


class TwoHot(nn.Module):
    """Reads numbers from logits over bins that are evenly spaced in symlog, and trains the logits by cross-entropy.

    Regression by classification keeps the size of gradients independent of the size of rewards.
    """

    centers: Tensor

    def __init__(self, bins: int) -> None:
        """`bins`: their number, odd, so that 0 is one of them."""
        super().__init__()
        self.register_buffer("centers", torch.linspace(-FARTHEST, FARTHEST, bins), persistent=False)

    def decode(self, logits: Tensor) -> Tensor:
        """Logits [..., bins] to numbers [...]."""
        return symexp(logits.softmax(-1) @ self.centers)

    def loss(self, logits: Tensor, values: Tensor) -> Tensor:
        """Cross-entropy of logits [..., bins] with the two bins beside each of the values [...], [...]."""
        last = len(self.centers) - 1
        place = (symlog(values).clamp(-FARTHEST, FARTHEST) + FARTHEST) * (last / (2 * FARTHEST))
        below = place.floor().clamp(0, last - 1)
        # A NaN has no bin; it stays in the share, and so in the loss.
        share, index = (place - below).unsqueeze(-1), torch.where(place == place, below, 0.0).long().unsqueeze(-1)
        chances = logits.log_softmax(-1)
        index = index.expand(*chances.shape[:-1], 1)
        return -((1 - share) * chances.gather(-1, index) + share * chances.gather(-1, index + 1)).squeeze(-1)
