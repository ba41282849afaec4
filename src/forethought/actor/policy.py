"""Mode-1: a goal-conditioned policy that acts without planning (the paper, section 3.1.1 and p. 12)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.config import DataSpec
from forethought.layers import mlp
from forethought.states import StateMetric
from forethought.whitening import Whitening


class Policy(nn.Module):
    """(state, goal) -> action block in model units: tanh if continuous, a softmax per step if discrete."""

    def __init__(self, state_dim: int, data: DataSpec, hidden: int, metric: StateMetric | None = None) -> None:
        """Three hidden layers of width `hidden`; `metric` pools states (None: vectors)."""
        super().__init__()
        self.choices = data.action_size if data.action_kind == "discrete" else None
        self.scale = Whitening(state_dim, metric)
        self.head = mlp(2 * state_dim, hidden, data.block_size, depth=3)

    def _raw(self, states: Tensor, goals: Tensor) -> Tensor:
        pair = torch.cat([self.scale(states), self.scale(goals)], -1)
        raw: Tensor = self.head(pair)
        return raw

    def relaxed(self, states: Tensor, goals: Tensor) -> Tensor:
        """Differentiable action block [..., A]: tanh, or probabilities per step."""
        raw = self._raw(states, goals)
        if self.choices is None:
            return torch.tanh(raw)
        return torch.unflatten(raw, -1, (-1, self.choices)).softmax(-1).flatten(-2)

    def forward(self, states: Tensor, goals: Tensor) -> Tensor:
        """The action block: states and goals [..., D] to [..., A]; one-hot per step when discrete."""
        action = self.relaxed(states, goals)
        if self.choices is None:
            return action
        steps = action.unflatten(-1, (-1, self.choices))
        return functional.one_hot(steps.argmax(-1), self.choices).to(action.dtype).flatten(-2)


def distillation_loss(policy: Policy, states: Tensor, goals: Tensor, planned: Tensor) -> Tensor:
    """D(planned action, A(s)): the paper, p. 12; squared error, or cross-entropy for discrete actions.

    Args:
        states, goals: [B, D]. planned: [B, A], the first block of a Mode-2 plan, or a logged block.
    """
    soft_action = policy.relaxed(states, goals)
    if policy.choices is None:
        return functional.mse_loss(soft_action, planned)
    return -(planned * soft_action.clamp_min(1e-6).log()).sum(-1).mean()
