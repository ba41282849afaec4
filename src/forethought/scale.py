"""States as the heads see them: whitened with the training states' covariance."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

FLOOR = 1e-4


class Whitening(nn.Module):
    """Zero mean, unit variance, no correlation: (s - mean) U / sqrt(lambda + floor), with buffers only; identity until `fit`.

    A state's variance is very uneven: the agent's place may take a hundred thousand times that of a door's last pixel. A
    network learns along the large directions first, and a critic that sees raw states learns about doors last.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, dim: int) -> None:
        """`dim`: D."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim))

    @torch.no_grad()
    def fit(self, states: Float[Tensor, "N D"]) -> None:
        """Take mean and covariance from training states; directions below a ten-thousandth of the largest stay small."""
        mean = states.mean(0)
        centred = (states - mean).cpu().double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(states))
        scale = (values.clamp_min(0) + FLOOR * values.max().clamp_min(1e-12)).rsqrt()
        self.mean.copy_(mean)
        self.matrix.copy_((vectors * scale).to(self.matrix.dtype))

    def forward(self, states: Tensor) -> Tensor:
        """[..., D] to [..., D]."""
        return (states - self.mean) @ self.matrix
