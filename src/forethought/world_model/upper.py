"""An upper level: a more abstract state, and macro-actions that encode a stride of actions below (H-JEPA, 2610.06805).

Axes: `stride` steps of the level below are one step of this level; Z is the size of a macro-action.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from forethought.config import HierarchyConfig, LatentConfig, PredictorConfig
from forethought.layers import lsuv_init_, mlp
from forethought.states import StateMetric, vector
from forethought.whitening import Whitening
from forethought.world_model.continuous import make_latent
from forethought.world_model.level import Level
from forethought.world_model.predictors import ResidualMLP

CLIPPED = 0.02
"""Share of the training macros outside the bounds, on each side, per dimension."""


class MacroEncoder(nn.Module):
    """Encodes a stride of actions as one vector: embedding with learned positions, mean, normalisation, linear map."""

    def __init__(self, action_dim: int, stride: int, macro_dim: int, hidden: int) -> None:
        """`action_dim`: of the level below."""
        super().__init__()
        self.embed = nn.Linear(action_dim, hidden)
        self.position = nn.Parameter(torch.randn(stride, hidden) * 0.02)
        self.gain = nn.Parameter(1 + 0.1 * torch.randn(stride, hidden))
        self.pool = nn.Sequential(nn.LayerNorm(hidden), nn.SiLU(), nn.Linear(hidden, macro_dim))

    def forward(self, actions: Float[Tensor, "*B stride A"]) -> Float[Tensor, "*B Z"]:
        """[..., stride, A] to [..., Z]; the order of the actions matters."""
        embedded = torch.nn.functional.silu(self.embed(actions) * self.gain + self.position)
        macro: Tensor = self.pool(embedded.mean(-2))
        return macro


class UpperLevel(Level):
    """Level 2 or above.

    Attributes:
        scale: whitens the states of the level below. encoder: from there to states [..., D]; None where the latent is shared.
        macros: a stride of actions of the level below -> macro-action [..., Z].
        latent: latent variable of a stride; None if level 1 is deterministic.
        low, high: [Z], bounds of macro-actions in a plan: quantiles of the training macros.
    """

    predictor: ResidualMLP
    low: Tensor
    high: Tensor

    def __init__(
        self,
        below: StateMetric,
        action_dim: int,
        stride: int,
        settings: HierarchyConfig,
        latent: LatentConfig,
    ) -> None:
        """Untrained.

        Args:
            below: metric of the states below. action_dim: size of the actions below. stride: steps below per step here.
            settings: of the hierarchy. latent: settings of level 1's latent variable.
        """
        super().__init__()
        self.settings = PredictorConfig(hidden=settings.hidden, depth=2)
        self.stride, self.macro_dim = stride, settings.macro_dim
        shared = settings.encoder == "shared"
        self.below = below
        self.state_dim = below.dim if shared else settings.state_dim
        self.metric = vector(self.state_dim)
        self.scale = Whitening(below.dim, below)
        self.encoder = None if shared else mlp(below.dim, settings.hidden, self.state_dim)
        self.macros = MacroEncoder(action_dim, stride, settings.macro_dim, settings.hidden)
        self.latent = make_latent(self.state_dim, settings.macro_dim, latent, settings.hidden)
        latent_dim = self.latent.size if self.latent else 0
        self.predictor = ResidualMLP(self.state_dim, settings.macro_dim + latent_dim, self.settings)
        self.register_buffer("low", -torch.ones(settings.macro_dim))
        self.register_buffer("high", torch.ones(settings.macro_dim))

    def encode(self, below: Float[Tensor, "*B below"]) -> Float[Tensor, "*B D"]:
        """States of the level below to states of this level."""
        if self.encoder is None:
            return self.below.pool(below)
        state: Tensor = self.encoder(self.scale(below))
        return state

    @torch.no_grad()
    def start_at_unit_scale(self, below: Float[Tensor, "N below"]) -> None:
        """Fit the input whitening, and scale the untrained states to zero mean and unit variance (LSUV), as at level 1."""
        self.scale.fit(below)
        if self.encoder is not None:
            last = self.encoder[-1]
            assert isinstance(last, nn.Linear)
            lsuv_init_(last, self.encode(below))
        self.predictor.scale.fit(self.encode(below))
        if self.latent is not None:
            self.latent.scale.load_state_dict(self.predictor.scale.state_dict())

    def summarise(self, actions: Float[Tensor, "*B steps A"]) -> Float[Tensor, "*B strides Z"]:
        """Actions of the level below to macros, one for each stride; `steps` is a multiple of the stride."""
        macro: Tensor = self.macros(torch.unflatten(actions, -2, (-1, self.stride)))
        return macro

    @torch.no_grad()
    def fit_bounds(self, macros: Float[Tensor, "N Z"]) -> None:
        """Set the bounds to the 2 % and 98 % quantiles of training macros; predictions outside are unreliable (H-JEPA, 4)."""
        self.low.copy_(macros.quantile(CLIPPED, dim=0))
        self.high.copy_(macros.quantile(1 - CLIPPED, dim=0))
