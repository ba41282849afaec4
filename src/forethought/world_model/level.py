"""Contracts of the world model: a level of H-JEPA, and level 1, which encodes observations (the paper, fig. 12)."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from forethought.config import DataSpec, ModelConfig, PredictorConfig
from forethought.perception import Encoder, make_encoder
from forethought.states import StateMetric, StateSpec
from forethought.world_model.latent import Latent, LatentPosterior
from forethought.world_model.predictors import Predictor


@dataclass(frozen=True)
class Context:
    """The recent past that the predictor reads (belief).

    Fields:
        states: [B, C, D], the present state last.
        actions: [B, C - 1, A], the blocks between the states.
    """

    states: Tensor
    actions: Tensor


class Level(nn.Module):
    """A level of the world model: predicts its next state from its state and its action.

    Attributes:
        predictor: (states, actions) -> states one step later. A step is a block at level 1, and a stride of the level below
            at an upper level.
        latent: the latent variable z; None in a deterministic model.
        settings: of the predictor. state_dim: D. metric: pools and compares its states.
    """

    predictor: Predictor
    metric: StateMetric
    latent: Latent | None
    settings: PredictorConfig
    state_dim: int

    def predict(self, states: Tensor, actions: Tensor) -> Tensor:
        """One step ahead from each row with z = 0 (unspecified): [..., T, D] and [..., T, A] to [..., T, D]."""
        following: Tensor = self.predictor(states, self._join(actions, None))
        return following

    def step(self, states: Tensor, actions: Tensor, z: Tensor | None) -> Tensor:
        """One step ahead, without context, given z [..., Z] (None: unspecified): [..., D] and [..., A] to [..., D]."""
        if z is None:
            return self.predict(states[..., None, :], actions[..., None, :]).squeeze(-2)
        following: Tensor = self.predictor(states[..., None, :], self._join(actions, z)[..., None, :])
        return following.squeeze(-2)

    @property
    def numbers(self) -> int:
        """Noise dimension: uniform numbers per sampled step; 0 in a deterministic model."""
        return self.latent.numbers if self.latent else 0

    def explain(
        self,
        states: Tensor,
        actions: Tensor,
        following: Tensor,
        kl_factor: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> LatentPosterior:
        """Infer the z of logged transitions; see `Latent.explain`."""
        assert self.latent is not None, "a deterministic model has no latent variable"
        return self.latent.explain(self.step, states, actions, following, kl_factor, generator)

    def rollout(self, context: Context, actions: Tensor, chance: Tensor | None = None, prior_exponent: float = 1.0) -> Tensor:
        """Open-loop rollout of K action sequences from the present state.

        Args:
            context: B episodes' recent past.
            actions: [B, K, H, A].
            chance: uniform numbers in [0, 1) that broadcast to [B, K, H, numbers], from which z is sampled at each step; None:
                the mode of the prior. prior_exponent: exponent of the prior, see `Latent.draw`.

        Returns:
            [B, K, H, D], the state after each step; differentiable in `actions`.
        """
        if self.latent is not None:
            return self._sampled_rollout(context.states[:, -1], actions, chance, prior_exponent)
        batch, candidates, horizon, _ = actions.shape
        keep = self.settings.context
        states = context.states[:, None, -keep:].expand(batch, candidates, -1, -1)
        count = states.shape[2]
        past = context.actions[:, None, context.actions.shape[1] - (count - 1) :].expand(batch, candidates, -1, -1)
        imagined = []
        for step in range(horizon):
            past = torch.cat([past, actions[:, :, step : step + 1]], 2)[:, :, -keep:]
            following = self.predictor.last(states, past)
            imagined.append(following)
            states = torch.cat([states, following], 2)[:, :, -keep:] if keep > 1 else following
        return torch.cat(imagined, 2)

    def open_loop(self, states: Tensor, actions: Tensor, rows: int) -> Tensor:
        """What is predicted of clips from their first rows and their actions alone.

        Args:
            states: [B, T + 1, D], of which the first `rows` are read. actions: [B, T, A].

        Returns:
            [B, T + 1 - rows, D], predictions of the other rows.
        """
        return self.rollout(Context(states[:, :rows], actions[:, : rows - 1]), actions[:, None, rows - 1 :])[:, 0]

    def _sampled_rollout(self, start: Tensor, actions: Tensor, uniform: Tensor | None, prior_exponent: float) -> Tensor:
        """A rollout with z sampled from the prior at each step; [B, D] and [B, K, H, A] to [B, K, H, D]."""
        assert self.latent is not None
        states = start[:, None].expand(-1, actions.shape[1], -1)
        noise = None if uniform is None else uniform.expand(*actions.shape[:3], -1)
        imagined = []
        for step in range(actions.shape[2]):
            z = self.latent.draw(states, actions[:, :, step], None if noise is None else noise[:, :, step], prior_exponent)
            states = self.predictor(states, self._join(actions[:, :, step], z))
            imagined.append(states)
        return torch.stack(imagined, 2)

    def _join(self, actions: Tensor, z: Tensor | None) -> Tensor:
        """Actions and z (None: unspecified) concatenated, as the predictor reads them."""
        return actions if self.latent is None else self.latent.join(actions, z)


class FirstLevel(Level, abc.ABC):
    """Level 1, the world model: the whole interface that the agent, its training and its report use.

    Observations are encoded once; prediction is between states. The JEPA is `jepa.JEPALevel`. A custom world model derives from
    this class and implements `predict` and `rollout`, and `dynamics` if some of its weights train on states.

    Attributes:
        perception: observation -> state [..., D]. action_dim: A.
        latent: the latent variable z; None in a deterministic model.
    """

    perception: Encoder
    action_dim: int

    def __init__(self, data: DataSpec, model: ModelConfig) -> None:
        """Build the encoder that the settings name. Sizes depend on the settings alone: a checkpoint can rebuild it."""
        super().__init__()
        spec = StateSpec.of(model.encoder)
        self.settings, self.metric = model.predictor, StateMetric(spec)
        self.state_dim, self.action_dim = spec.size, data.block_size
        self.perception = make_encoder(data.streams, model.encoder)
        self.latent = None

    def encode(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Streams [..., *shape] to states [..., D]; tokens are flattened."""
        return self.metric.spec.flat(self.perception(observation))

    def estimate(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor]) -> Tensor:
        """Masked prediction: the state of the whole observation from its visible part (the paper, section 4.1; I-JEPA).

        Args:
            observation: streams [..., *shape].
            visible: stream -> bool [..., height, width] (pixels) or [..., P]; False is hidden.

        Returns:
            [..., D], an estimate of `encode` of the whole observation. By default, the encoding of the visible part.
        """
        return self.metric.spec.flat(self.perception(observation, visible))

    def dynamics(self) -> Sequence[nn.Module]:
        """Modules that train on cached states after the encoder is frozen; by default none."""
        return ()

    def refresh(self, states: Tensor, seed: int) -> None:
        """Called before the `dynamics` train alone, with training states [N, D]; weights may be reinitialised here."""
