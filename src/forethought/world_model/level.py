"""What a level of the world model does, and level 1 in particular, which sees (the paper, fig. 12)."""

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
    """What the predictor may know of the past.

    Fields:
        states: [B, C, D], the present state last.
        actions: [B, C - 1, A], the blocks taken between them.
    """

    states: Tensor
    actions: Tensor


class Level(nn.Module):
    """What every level does: imagine its next state from its state and its action.

    Attributes:
        predictor: (states, actions) -> states one step of this level later: a block at level 1, a stride of the level below
            above it.
        latent: the variable that says which way things go; None in a deterministic model.
        settings: of the predictor. state_dim: D. metric: pools and compares its states.
    """

    predictor: Predictor
    metric: StateMetric
    latent: Latent | None
    settings: PredictorConfig
    state_dim: int

    def predict(self, states: Tensor, actions: Tensor) -> Tensor:
        """One step ahead from each row, no way in particular: [..., T, D] and [..., T, A] to [..., T, D]."""
        following: Tensor = self.predictor(states, self._with(actions, None))
        return following

    def step(self, states: Tensor, actions: Tensor, z: Tensor | None) -> Tensor:
        """One step ahead, without memory, in the way that z [..., Z] says: [..., D] and [..., A] to [..., D]."""
        if z is None:
            return self.predict(states[..., None, :], actions[..., None, :]).squeeze(-2)
        following: Tensor = self.predictor(states[..., None, :], self._with(actions, z)[..., None, :])
        return following.squeeze(-2)

    @property
    def numbers(self) -> int:
        """How many numbers in [0, 1) decide which way a step goes: 0 in a deterministic model."""
        return self.latent.numbers if self.latent else 0

    def explain(
        self, states: Tensor, actions: Tensor, following: Tensor, priced: float = 1.0, generator: torch.Generator | None = None
    ) -> LatentPosterior:
        """The way that transitions went; see `Latent.explain`."""
        assert self.latent is not None, "a deterministic model knows one way"
        return self.latent.explain(self.step, states, actions, following, priced, generator)

    def rollout(self, context: Context, actions: Tensor, chance: Tensor | None = None, trust: float = 1.0) -> Tensor:
        """Imagine: apply K action sequences from the present, open loop.

        Args:
            context: B episodes' recent past.
            actions: [B, K, H, A].
            chance: numbers in [0, 1) that broadcast to [B, K, H, numbers] (see `Latent`), which decide how the world goes on at
                each step; None: in the likeliest way. trust: in the odds of ways, see `Latent.draw`.

        Returns:
            [B, K, H, D], the state after each step; differentiable in `actions`.
        """
        if self.latent is not None:
            return self._imagine(context.states[:, -1], actions, chance, trust)
        batch, candidates, horizon, _ = actions.shape
        keep = self.settings.context
        states = context.states[:, None, -keep:].expand(batch, candidates, -1, -1)
        count = states.shape[2]
        past = context.actions[:, None, context.actions.shape[1] - (count - 1) :].expand(batch, candidates, -1, -1)
        imagined = []
        for step in range(horizon):
            past = torch.cat([past, actions[:, :, step : step + 1]], 2)[:, :, -keep:]
            following = self.predictor(states, past)[:, :, -1:]
            imagined.append(following)
            states = torch.cat([states, following], 2)[:, :, -keep:] if keep > 1 else following
        return torch.cat(imagined, 2)

    def _imagine(self, start: Tensor, actions: Tensor, chance: Tensor | None, trust: float) -> Tensor:
        """A rollout in which the latent variable is drawn from its prior at each step; [B, D], [B, K, H, A] to [B, K, H, D]."""
        assert self.latent is not None
        states = start[:, None].expand(-1, actions.shape[1], -1)
        fates = None if chance is None else chance.expand(*actions.shape[:3], -1)
        imagined = []
        for step in range(actions.shape[2]):
            z = self.latent.draw(states, actions[:, :, step], None if fates is None else fates[:, :, step], trust)
            states = self.predictor(states, self._with(actions[:, :, step], z))
            imagined.append(states)
        return torch.stack(imagined, 2)

    def _with(self, actions: Tensor, z: Tensor | None) -> Tensor:
        """Actions, and beside them which way things go (None: unsaid), as the predictor reads them."""
        return actions if self.latent is None else self.latent.join(actions, z)


class FirstLevel(Level, abc.ABC):
    """Level 1, the world model: everything that the agent, its training and its report touch.

    Observations go in once; everything else happens between states. The JEPA is `jepa.JEPALevel`. A world model of your own
    derives from this one and gives `predict` and `rollout`, and `dynamics` where something of it learns.

    Attributes:
        perception: observation -> state [..., D]. action_dim: A.
        latent: what may happen that is not in state and action; None in a deterministic model.
    """

    perception: Encoder
    action_dim: int

    def __init__(self, data: DataSpec, model: ModelConfig) -> None:
        """The encoder that the settings name; sizes come from the settings alone, so a checkpoint can rebuild the level."""
        super().__init__()
        spec = StateSpec.of(model.encoder)
        self.settings, self.metric = model.predictor, StateMetric(spec)
        self.state_dim, self.action_dim = spec.size, data.block_size
        self.perception = make_encoder(data.streams, model.encoder)
        self.latent = None

    def encode(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Streams [..., *shape] to states [..., D]; tokens side by side."""
        return self.metric.spec.flat(self.perception(observation))

    def estimate(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor]) -> Tensor:
        """The whole observation's state from the part that is visible (the paper, section 4.1: filling in).

        Args:
            observation: streams [..., *shape].
            visible: stream -> bool [..., height, width] (pixels) or [..., P]; False is hidden.

        Returns:
            [..., D], to be compared with `encode` of the whole observation. By default, that of the visible part.
        """
        return self.metric.spec.flat(self.perception(observation, visible))

    def dynamics(self) -> Sequence[nn.Module]:
        """What goes on learning when the encoder has settled, from states alone; by default nothing."""
        return ()

    def refresh(self, states: Tensor, seed: int) -> None:
        """Called before `dynamics` learn by themselves, with training states [N, D]: here weights may begin anew."""
