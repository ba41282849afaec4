"""Predictors: the next state of each row from the states and action blocks up to it. All are causal in time."""

from __future__ import annotations

import abc

import torch
from jaxtyping import Float
from torch import Tensor, nn

from forethought.config import PredictorConfig
from forethought.errors import ForethoughtError
from forethought.layers import mlp
from forethought.parts import find, is_built_in, register
from forethought.perception.vit import TransformerBlock
from forethought.states import StateMetric, StateSpec
from forethought.whitening import Whitening


class Predictor(nn.Module, abc.ABC):
    """The dynamics network of a JEPA level: the whole interface that the level and its training use.

    If it is frozen or has no parameters, the predictor phase is skipped.
    """

    @abc.abstractmethod
    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        """States and the block taken from each, [..., T, D] and [..., T, A], to next states [..., T, D].

        Row t depends on rows 0..t of its own sequence; T is at most `model.predictor.context`.
        """

    def last(self, states: Tensor, actions: Tensor) -> Tensor:
        """The prediction from the last row alone, [..., 1, D]: all that a rollout needs."""
        following: Tensor = self(states, actions)[..., -1:, :]
        return following

    def fit(self, states: Tensor) -> None:
        """Fit normalisation to training states [N, D]; called before the predictor phase."""


@register("predictor", "mlp")
class ResidualMLP(Predictor):
    """Markov predictor s' = s + f(s, a): row t depends on row t alone."""

    def __init__(self, state_dim: int, action_dim: int, settings: PredictorConfig) -> None:
        """`settings.depth` hidden layers of `settings.hidden`."""
        super().__init__()
        self.scale = Whitening(state_dim)
        self.change = mlp(state_dim + action_dim, settings.hidden, state_dim, settings.depth)

    def forward(self, states: Float[Tensor, "*B T D"], actions: Float[Tensor, "*B T A"]) -> Float[Tensor, "*B T D"]:
        """States and the block taken from each, [..., T, D] and [..., T, A], to next states [..., T, D]."""
        following: Tensor = states + self.change(torch.cat([self.scale(states), actions], -1))
        return following

    def fit(self, states: Tensor) -> None:
        """See `Predictor.fit`: whiten by these."""
        self.scale.fit(states)


@register("predictor", "window")
class WindowMLP(Predictor):
    """s' = s + f(the last rows and blocks side by side), for states that hide velocities (frame stacking; Mnih et al. 2015)."""

    def __init__(self, state_dim: int, action_dim: int, settings: PredictorConfig) -> None:
        """Reads `settings.context` rows; `settings.depth` hidden layers of `settings.hidden`."""
        super().__init__()
        self.context = settings.context
        self.scale = Whitening(state_dim)
        # The last number of a row is 1; a row before the sequence is all zeros.
        self.change = mlp(settings.context * (state_dim + action_dim + 1), settings.hidden, state_dim, settings.depth)

    def forward(self, states: Float[Tensor, "*B T D"], actions: Float[Tensor, "*B T A"]) -> Float[Tensor, "*B T D"]:
        """As `ResidualMLP.forward`; row t reads rows t - context + 1 to t."""
        windows = self._padded(states, actions, self.context - 1).unfold(-2, self.context, 1)
        following: Tensor = states + self.change(windows.transpose(-1, -2).flatten(-2))
        return following

    def last(self, states: Float[Tensor, "*B T D"], actions: Float[Tensor, "*B T A"]) -> Float[Tensor, "*B 1 D"]:
        """See `Predictor.last`."""
        states, actions = states[..., -self.context :, :], actions[..., -self.context :, :]
        window = self._padded(states, actions, self.context - states.shape[-2])
        following: Tensor = states[..., -1:, :] + self.change(window.flatten(-2)[..., None, :])
        return following

    def _padded(self, states: Tensor, actions: Tensor, before: int) -> Tensor:
        """What is read of each row, after `before` rows of zeros, [..., before + T, D + A + 1]."""
        rows = torch.cat([self.scale(states), actions, torch.ones_like(states[..., :1])], -1)
        return nn.functional.pad(rows, (0, 0, before, 0))

    def fit(self, states: Tensor) -> None:
        """See `Predictor.fit`: whiten by these."""
        self.scale.fit(states)


@register("predictor", "transformer")
class CausalTransformer(Predictor):
    """s' = s + f(all states and blocks of the context), for worlds that hide what was seen before."""

    def __init__(self, state_dim: int, action_dim: int, settings: PredictorConfig) -> None:
        """Reads at most `settings.context` rows; `settings.depth` transformer blocks of width `settings.hidden`."""
        super().__init__()
        self.context = settings.context
        self.scale = Whitening(state_dim)
        self.embed = nn.Linear(state_dim + action_dim, settings.hidden)
        self.position = nn.Parameter(torch.randn(settings.context, settings.hidden) * 0.02)
        self.blocks = nn.ModuleList(TransformerBlock(settings.hidden, settings.heads) for _ in range(settings.depth))
        self.change = nn.Sequential(nn.LayerNorm(settings.hidden), nn.Linear(settings.hidden, state_dim))

    def forward(self, states: Float[Tensor, "*B T D"], actions: Float[Tensor, "*B T A"]) -> Float[Tensor, "*B T D"]:
        """As `ResidualMLP.forward`; T <= context, and row t attends to rows 0..t."""
        assert states.shape[-2] <= self.context, f"{states.shape[-2]} rows for a context of {self.context}"
        tokens = self.embed(torch.cat([self.scale(states), actions], -1)) + self.position[: states.shape[-2]]
        for block in self.blocks:
            tokens = block(tokens, causal=True)
        following: Tensor = states + self.change(tokens)
        return following

    def fit(self, states: Tensor) -> None:
        """See `Predictor.fit`: whiten by these."""
        self.scale.fit(states)


class TokenMLP(Predictor):
    """Markov predictor of tokens: s' = s + f(token, position, mean of all tokens, a), one MLP for all tokens (DeepSets)."""

    def __init__(self, spec: StateSpec, action_dim: int, settings: PredictorConfig) -> None:
        """`settings.depth` hidden layers of `settings.hidden`."""
        super().__init__()
        self.spec = spec
        self.scale = TokenWhitening(spec)
        self.position = nn.Parameter(torch.randn(spec.tokens, spec.dim) * 0.02)
        self.change = mlp(2 * spec.dim + action_dim, settings.hidden, spec.dim, settings.depth)

    def forward(self, states: Float[Tensor, "*B T D"], actions: Float[Tensor, "*B T A"]) -> Float[Tensor, "*B T D"]:
        """As `ResidualMLP.forward`; a state is its flattened tokens."""
        tokens = self.scale(states)
        mean = tokens.mean(-2, keepdim=True).expand_as(tokens)
        actions = actions[..., None, :].expand(*tokens.shape[:-1], -1)
        following: Tensor = states + self.spec.flat(self.change(torch.cat([tokens + self.position, mean, actions], -1)))
        return following

    def fit(self, states: Tensor) -> None:
        """See `Predictor.fit`: whiten by these."""
        self.scale.fit(states)


class TokenWhitening(Whitening):
    """Whitening shared by all tokens of a state: states [..., D] to tokens [..., N, d]."""

    def __init__(self, spec: StateSpec) -> None:
        """`spec`: layout of the states."""
        super().__init__(spec.dim)
        self.spec = spec

    @torch.no_grad()
    def fit(self, states: Float[Tensor, "N D"]) -> None:
        """See `Whitening.fit`: fitted to all tokens of the states."""
        super().fit(self.spec.tokens_of(states).flatten(0, 1))

    def forward(self, states: Tensor) -> Tensor:
        """[..., D] to [..., N, d]."""
        return super().forward(self.spec.tokens_of(states))


def make_predictor(state_dim: int, action_dim: int, settings: PredictorConfig, metric: StateMetric | None = None) -> Predictor:
    """Build the predictor that the settings name; its factory is called with (state_dim, action_dim, settings).

    Args: metric: layout of the states; None for vectors. For states of tokens, `mlp` is a `TokenMLP`.

    Raises:
        ForethoughtError: no predictor has that name, or the factory returns no `Predictor`; or states are tokens and the
            predictor needs a context of more than one row.
    """
    if metric is not None and metric.spec.tokens and is_built_in("predictor", settings.kind):
        if settings.kind != "mlp" or settings.context > 1:
            raise ForethoughtError(
                f"States of {metric.spec.tokens} tokens allow no context of past rows: set model.predictor.kind = mlp and "
                "model.predictor.context = 1."
            )
        return TokenMLP(metric.spec, action_dim, settings)
    predictor = find("predictor", settings.kind, "model.predictor.kind")(state_dim, action_dim, settings)
    if not isinstance(predictor, Predictor):
        raise ForethoughtError(f"The predictor '{settings.kind}' is a {type(predictor).__name__}: derive it from Predictor.")
    return predictor
