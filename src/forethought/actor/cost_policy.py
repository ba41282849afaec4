"""Mode-1 for tasks without a goal state: a stochastic policy that minimises the critic's future cost (the paper, p. 12)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.config import DataSpec
from forethought.layers import mlp

LOG_STD_LOW, LOG_STD_HIGH = -3.0, 2.0


class CostPolicy(nn.Module):
    """State to a distribution of action blocks in model units: a squashed Gaussian, or independent choices per step.

    Attributes: choices: of each step; None for continuous actions. size: A.

    Axes: D numbers in a state, A in a block.
    """

    def __init__(self, state_dim: int, data: DataSpec, hidden: int) -> None:
        """Two hidden layers of width `hidden`."""
        super().__init__()
        self.choices = data.action_size if data.action_kind == "discrete" else None
        self.size = data.block_size
        self.head = mlp(state_dim, hidden, data.block_size if self.choices else 2 * data.block_size)

    def logits(self, states: Tensor) -> Tensor:
        """Log-probabilities of the choices per step, [..., D] to [..., block, choices]; for discrete actions."""
        assert self.choices is not None
        raw: Tensor = self.head(states).unflatten(-1, (-1, self.choices))
        return raw.log_softmax(-1)

    def gaussian(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log of the standard deviation before squashing, [..., D] to [..., A] each; for continuous actions."""
        mean, spread = self.head(states).chunk(2, -1)
        return mean, LOG_STD_LOW + (LOG_STD_HIGH - LOG_STD_LOW) * 0.5 * (torch.tanh(spread) + 1)

    def forward(self, states: Tensor) -> Tensor:
        """The likeliest block, [..., D] to [..., A]."""
        if self.choices is None:
            return torch.tanh(self.gaussian(states)[0])
        return self._one_hot(self.logits(states).argmax(-1))

    def sample(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """A block drawn from the policy, [..., A], and its log-probability, [...]; differentiable if continuous.

        Args:
            noise: of the shape that `draw` gives: standard normal [..., A], or Gumbel [..., A].
        """
        if self.choices is None:
            mean, log_std = self.gaussian(states)
            raw = mean + log_std.exp() * noise
            density = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
            squashing = 2 * (math.log(2) - raw - functional.softplus(-2 * raw))
            return torch.tanh(raw), (density - squashing).sum(-1)
        logits = self.logits(states)
        chosen = (logits + noise.unflatten(-1, (-1, self.choices))).argmax(-1)
        return self._one_hot(chosen), logits.gather(-1, chosen.unsqueeze(-1)).sum((-1, -2))

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Noise for `sample` of states [*shape, D], from a generator on the CPU: [*shape, A]."""
        if self.choices is None:
            return torch.randn(*shape, self.size, generator=generator)
        return gumbel(torch.rand(*shape, self.size, generator=generator))

    def _one_hot(self, chosen: Tensor) -> Tensor:
        assert self.choices is not None
        return functional.one_hot(chosen, self.choices).float().flatten(-2)


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise from uniform numbers in [0, 1): its sum with log-probabilities is largest at a draw from them."""
    return -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
