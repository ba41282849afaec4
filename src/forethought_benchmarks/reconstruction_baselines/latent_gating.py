"""Gates that let an autoencoder choose what to reconstruct: "gated predictive autoencoders that learn to select predictable
components" (2603.14131). The form of the gates is our own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

OPEN, SPEED = 0.4, 10.0
"""Initial value of a gate (nearly open), and its slope: it must move within some hundred steps at the encoder's rate."""
GATE_COST = 0.1
"""Cost of an open gate of an unpredictable component, in squared standard deviations of a pixel."""


class Gates(nn.Module):
    """One gate per dimension of the state, in [0, 1]. Where it is closed, the decoder gets noise instead of the component.

    Scaling the component down would not hide it: the decoder could scale it up again.
    """

    def __init__(self, state_dim: int) -> None:
        """All gates are nearly open."""
        super().__init__()
        self.logits = nn.Parameter(torch.full((state_dim,), OPEN))

    @property
    def openness(self) -> Tensor:
        """[D], from 0 (closed) to 1 (open)."""
        return torch.sigmoid(SPEED * self.logits)

    def forward(self, states: Tensor, generator: torch.Generator) -> Tensor:
        """States [..., D] for the decoder: closed components are replaced by noise of the same standard deviation."""
        spread = states.detach().flatten(0, -2).std(0)
        noise = torch.randn(states.shape, generator=generator).to(states.device) * spread
        return self.openness * states + (1 - self.openness) * noise

    def cost(self, predicted: Tensor, states: Tensor) -> Tensor:
        """Cost of open gates: squared error of each component over its variance, both [..., D]; trains the predictor, too."""
        variance = states.flatten(0, -2).var(0).clamp_min(1e-6)
        error = (predicted - states).square().flatten(0, -2).mean(0) / variance
        return GATE_COST * (self.openness * error).mean()

    @torch.no_grad()
    def close(self, last: nn.Linear) -> None:
        """Scale the last layer of an encoder, so that each component of the state is weighted by its gate."""
        last.weight.mul_(self.openness[:, None])
        last.bias.mul_(self.openness)
