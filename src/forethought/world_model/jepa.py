"""Level 1 as a JEPA: encoder and predictor in latent space (the paper, fig. 12), and masked prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from forethought.config import DataSpec, ModelConfig
from forethought.errors import ForethoughtError
from forethought.parts import find, register
from forethought.world_model.continuous import make_latent
from forethought.world_model.level import FirstLevel
from forethought.world_model.predictors import make_predictor


@register("world_model", "jepa")
class JEPALevel(FirstLevel):
    """World model that predicts states, not pixels; see `FirstLevel`.

    Attributes:
        predictor: (states, action blocks, z if there is a latent variable) -> states one block later.
        masked_predictor: embedding of a masked observation -> residual to the embedding of the whole one.
    """

    def __init__(self, data: DataSpec, model: ModelConfig) -> None:
        """Untrained."""
        super().__init__(data, model)
        dim, hidden = model.encoder.state_dim, model.encoder.hidden
        self.latent = make_latent(dim, self.action_dim, model.latent, model.predictor.hidden, self.metric)
        self.predictor = make_predictor(self.state_dim, self._input_dim, model.predictor, self.metric)
        self.masked_predictor = nn.Sequential(nn.Linear(dim, hidden), nn.LayerNorm(hidden), nn.SiLU(), nn.Linear(hidden, dim))

    @property
    def _input_dim(self) -> int:
        """Size of the predictor's input apart from the state: the action block and z."""
        return self.action_dim + (self.latent.size if self.latent else 0)

    def estimate(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor]) -> Tensor:
        """See `FirstLevel.estimate`."""
        partial = self.perception(observation, visible)
        return self.metric.spec.flat(partial + self.masked_predictor(partial))

    def dynamics(self) -> Sequence[nn.Module]:
        """The predictor, and the latent variable if there is one."""
        return (self.predictor, *([self.latent] if self.latent else []))

    @torch.no_grad()
    def refresh(self, states: Tensor, seed: int) -> None:
        """Reinitialise the predictor on whitened states; the weights so far served to train the encoder."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = make_predictor(self.state_dim, self._input_dim, self.settings, self.metric)
        fresh.fit(states.cpu())
        self.predictor.load_state_dict(fresh.state_dict())
        if self.latent is not None:
            self.latent.scale.fit(states)


def make_world_model(data: DataSpec, model: ModelConfig) -> FirstLevel:
    """Build the world model that the settings name; its factory is called with (data, model).

    Raises:
        ForethoughtError: no world model has that name, or the factory returns no `FirstLevel`.
    """
    level = find("world_model", model.kind, "model.kind")(data, model)
    if not isinstance(level, FirstLevel):
        raise ForethoughtError(f"The world model '{model.kind}' is a {type(level).__name__}: derive it from FirstLevel.")
    return level
