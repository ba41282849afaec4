"""Whitening of states with the training covariance, as the input of heads; and a robust median."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from forethought.states import StateMetric

FLOOR = 1e-4
NEGLIGIBLE, QUANTILE = 0.01, 0.9
"""Lengths below `NEGLIGIBLE` times the `QUANTILE` quantile count as zero."""


class Whitening(nn.Module):
    """Zero mean, unit variance, no correlation: (s - mean) U / sqrt(lambda + floor), with buffers only; identity until `fit`.

    The variance of states is very uneven: the direction of the agent's position can have 100 000 times the variance of a
    door's. Networks learn along directions of large variance first, so a critic on raw states learns about doors last.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, dim: int, metric: StateMetric | None = None) -> None:
        """`dim`: D. `metric`: pools states to vectors of D numbers first; None for vectors."""
        super().__init__()
        self.metric = metric
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim))

    @torch.no_grad()
    def fit(self, states: Float[Tensor, "N D"]) -> None:
        """Fit mean and covariance to training states; directions below 1e-4 of the largest variance stay small."""
        states = states if self.metric is None else self.metric.pool(states)
        mean = states.mean(0)
        centred = (states - mean).cpu().double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(states))
        scale = (values.clamp_min(0) + FLOOR * values.max().clamp_min(1e-12)).rsqrt()
        self.mean.copy_(mean)
        self.matrix.copy_((vectors * scale).to(self.matrix.dtype))

    def forward(self, states: Tensor) -> Tensor:
        """Whiten states, [..., D] or pooled to that, to [..., D]."""
        states = states if self.metric is None else self.metric.pool(states)
        return (states - self.mean) @ self.matrix


def robust_median(lengths: Tensor) -> float:
    """The median of lengths [N]; if it is negligible, the median of those that are not; 0 if there are none.

    For an agent that rarely moves (at least once in ten blocks) the plain median would be 0 or the noise of a state at rest.
    """
    values = lengths.cpu()
    threshold = NEGLIGIBLE * float(np.quantile(values, QUANTILE)) if len(values) else 0.0
    nonzero = values[values > threshold]
    if not len(nonzero):
        return 0.0
    median = values.median()
    return float(median if median > threshold else nonzero.median())
