"""Level 1 as a JEPA: an encoder and a predictor in embedding space (the paper, fig. 12), which also fills in what is hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from forethought.errors import ForethoughtError
from forethought.parts import find, register
from forethought.settings import PerceptionSettings, SpaceSettings, WorldModelSettings
from forethought.world_model.continuous import make_latent
from forethought.world_model.level import FirstLevel
from forethought.world_model.predictors import ResidualMLP, make_predictor


@register("world_model", "jepa")
class JEPALevel(FirstLevel):
    """Predicts states, never pixels; see `FirstLevel`.

    Attributes:
        predictor: (states, action blocks, and z where there is a latent variable) -> states one block later.
        filler: embedding of a partly hidden observation -> estimate of the whole one's embedding.
    """

    def __init__(self, space: SpaceSettings, perception: PerceptionSettings, settings: WorldModelSettings) -> None:
        """Untrained."""
        super().__init__(space, perception, settings)
        dim = self.state_dim
        self.latent = make_latent(dim, self.action_dim, settings)
        self.predictor = make_predictor(dim, self._read, settings)
        self.filler = nn.Sequential(
            nn.Linear(dim, perception.hidden),
            nn.LayerNorm(perception.hidden),
            nn.SiLU(),
            nn.Linear(perception.hidden, dim),
        )

    @property
    def _read(self) -> int:
        """Numbers that the predictor reads beside the state: the action block, and z."""
        return self.action_dim + (self.latent.size if self.latent else 0)

    def estimate(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor]) -> Tensor:
        """See `FirstLevel.estimate`."""
        partial = super().estimate(observation, visible)
        estimate: Tensor = partial + self.filler(partial)
        return estimate

    def dynamics(self) -> Sequence[nn.Module]:
        """The predictor, and the latent variable where there is one."""
        return (self.predictor, *([self.latent] if self.latent else []))

    @torch.no_grad()
    def refresh(self, states: Tensor, seed: int) -> None:
        """New weights that read whitened states: the first ones were there to shape the encoder."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = make_predictor(self.state_dim, self._read, self.settings)
        fresh.fit(states.cpu())
        self.predictor.load_state_dict(fresh.state_dict())
        if self.latent is not None:
            assert isinstance(self.predictor, ResidualMLP), "the configurator refuses a latent variable with another one"
            self.latent.scale.load_state_dict(self.predictor.scale.state_dict())


def make_world_model(space: SpaceSettings, perception: PerceptionSettings, settings: WorldModelSettings) -> FirstLevel:
    """The world model that the settings name: its factory is called with (space, perception, settings).

    Raises:
        ForethoughtError: no world model has that name, or what it makes is no `FirstLevel`.
    """
    model = find("world_model", settings.kind, "world_model.kind")(space, perception, settings)
    if not isinstance(model, FirstLevel):
        raise ForethoughtError(f"The world model '{settings.kind}' is a {type(model).__name__}: derive it from FirstLevel.")
    return model
