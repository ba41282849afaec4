"""States as the heads see them: whitened with the training states' covariance; and how far things usually go."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from forethought.states import StateMetric

FLOOR = 1e-4
STILL, MOST = 0.01, 0.9
"""What is less than this share of what most do not exceed is next to nothing."""


class Whitening(nn.Module):
    """Zero mean, unit variance, no correlation: (s - mean) U / sqrt(lambda + floor), with buffers only; identity until `fit`.

    A state's variance is very uneven: the agent's place may take a hundred thousand times that of a door's last pixel. A
    network learns along the large directions first, and a critic that sees raw states learns about doors last.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, dim: int, metric: StateMetric | None = None) -> None:
        """`dim`: D. `metric`: pools states before all else, to vectors of D numbers; None for vectors."""
        super().__init__()
        self.metric = metric
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim))

    @torch.no_grad()
    def fit(self, states: Float[Tensor, "N D"]) -> None:
        """Take mean and covariance from training states; directions below a ten-thousandth of the largest stay small."""
        states = states if self.metric is None else self.metric.pool(states)
        mean = states.mean(0)
        centred = (states - mean).cpu().double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(states))
        scale = (values.clamp_min(0) + FLOOR * values.max().clamp_min(1e-12)).rsqrt()
        self.mean.copy_(mean)
        self.matrix.copy_((vectors * scale).to(self.matrix.dtype))

    def forward(self, states: Tensor) -> Tensor:
        """[..., D], or what is pooled to that, to [..., D]."""
        states = states if self.metric is None else self.metric.pool(states)
        return (states - self.mean) @ self.matrix


def robust_median(lengths: Tensor) -> float:
    """The median of lengths [N], or, where that is next to nothing, of those that are more; 0 where there are none.

    Of a body that mostly stands still (up to nine times in ten) the plain median would be 0, or the noise of standing still.
    """
    seen = lengths.cpu()
    least = STILL * float(np.quantile(seen, MOST)) if len(seen) else 0.0
    far = seen[seen > least]
    if not len(far):
        return 0.0
    middle = seen.median()
    return float(middle if middle > least else far.median())
