"""Predictors: the next state of each row from the states and action blocks up to it. Both are causal in time."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from forethought.config import PredictorConfig
from forethought.layers import mlp
from forethought.perception.vit import TransformerBlock
from forethought.whitening import Whitening


class ResidualMLP(nn.Module):
    """s' = s + f(s, a), without memory: row t depends on row t alone."""

    def __init__(self, state_dim: int, action_dim: int, settings: PredictorConfig) -> None:
        """`settings.depth` hidden layers of `settings.hidden`."""
        super().__init__()
        self.scale = Whitening(state_dim)
        self.change = mlp(state_dim + action_dim, settings.hidden, state_dim, settings.depth)

    def forward(self, states: Float[Tensor, "*B T D"], actions: Float[Tensor, "*B T A"]) -> Float[Tensor, "*B T D"]:
        """States and the block taken from each, [..., T, D] and [..., T, A], to the states after, [..., T, D]."""
        following: Tensor = states + self.change(torch.cat([self.scale(states), actions], -1))
        return following


class CausalTransformer(nn.Module):
    """s' = s + f(all states and blocks up to now), for worlds whose state does not show in one frame."""

    def __init__(self, state_dim: int, action_dim: int, settings: PredictorConfig) -> None:
        """Sees at most `settings.context` rows; `settings.depth` blocks of width `settings.hidden`."""
        super().__init__()
        self.context = settings.context
        self.scale = Whitening(state_dim)
        self.embed = nn.Linear(state_dim + action_dim, settings.hidden)
        self.position = nn.Parameter(torch.randn(settings.context, settings.hidden) * 0.02)
        self.blocks = nn.ModuleList(TransformerBlock(settings.hidden, settings.heads) for _ in range(settings.depth))
        self.change = nn.Sequential(nn.LayerNorm(settings.hidden), nn.Linear(settings.hidden, state_dim))

    def forward(self, states: Float[Tensor, "*B T D"], actions: Float[Tensor, "*B T A"]) -> Float[Tensor, "*B T D"]:
        """As `ResidualMLP.forward`; T <= context, and row t sees rows 0..t."""
        assert states.shape[-2] <= self.context, f"{states.shape[-2]} rows for a context of {self.context}"
        tokens = self.embed(torch.cat([self.scale(states), actions], -1)) + self.position[: states.shape[-2]]
        for block in self.blocks:
            tokens = block(tokens, causal=True)
        following: Tensor = states + self.change(tokens)
        return following


def make_predictor(state_dim: int, action_dim: int, settings: PredictorConfig) -> ResidualMLP | CausalTransformer:
    """The predictor that the settings name."""
    if settings.kind == "transformer":
        return CausalTransformer(state_dim, action_dim, settings)
    return ResidualMLP(state_dim, action_dim, settings)
