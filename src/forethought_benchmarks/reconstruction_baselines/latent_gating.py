"""Gates that let an autoencoder choose what to draw: "gated predictive autoencoders that learn to select predictable
components" (2603.14131). The gates' form is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

OPEN, SPEED = 0.4, 10.0
"""Where a gate begins (nearly open), and how steep it is: it must move within some hundred steps of the encoder's rate."""
PRICE = 0.1
"""Of gates that are open to what can't be foreseen at all, in squared standard deviations of a pixel."""


class Gates(nn.Module):
    """One gate per dimension of the state, in [0, 1]. Where it is shut, the decoder sees noise in the component's place.

    Noise, and not a smaller number: a decoder would only have to multiply it up again.
    """

    def __init__(self, state_dim: int) -> None:
        """All nearly open."""
        super().__init__()
        self.logits = nn.Parameter(torch.full((state_dim,), OPEN))

    @property
    def openness(self) -> Tensor:
        """[D], 0 (shut) to 1 (open)."""
        return torch.sigmoid(SPEED * self.logits)

    def forward(self, states: Tensor, generator: torch.Generator) -> Tensor:
        """[..., D] as the decoder may see them, with noise of the states' own spread for what is held back."""
        spread = states.detach().flatten(0, -2).std(0)
        noise = torch.randn(states.shape, generator=generator).to(states.device) * spread
        return self.openness * states + (1 - self.openness) * noise

    def unforeseen(self, foreseen: Tensor, states: Tensor) -> Tensor:
        """What open gates cost: each component's squared error over its variance, [..., D] both; it teaches the predictor."""
        variance = states.flatten(0, -2).var(0).clamp_min(1e-6)
        error = (foreseen - states).square().flatten(0, -2).mean(0) / variance
        return PRICE * (self.openness * error).mean()

    @torch.no_grad()
    def close(self, last: nn.Linear) -> None:
        """Scale the last layer of an encoder, so that a component weighs in the state what its gate lets through."""
        last.weight.mul_(self.openness[:, None])
        last.bias.mul_(self.openness)
