"""Phase 2: the predictor goes on learning from states that are encoded once; a hundred times the transitions for the money.

What a wall does is a rare event and a product of four numbers (where the agent is, where it heads, where the wall and its
door are). The encoder has long settled when the predictor still mistakes one blocked block in two for a crossing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.learning.critic_phase import EncodeOnce
from forethought.learning.phases import Phase, Terms, parameters_of
from forethought.modules import Modules
from forethought.settings import Configuration
from forethought.world_model.predictors import make_predictor


class PredictorPhase(Phase):
    """One block ahead from cached states; the encoder stays as it is."""

    name = "predictor"

    def __init__(self, modules: Modules, configuration: Configuration, encode: EncodeOnce) -> None:
        """`encode` gives the training episodes' states."""
        learning = configuration.learning
        self.level, self.encode = modules.world_model, encode
        self.seed, self.action_dim = learning.seed, configuration.body.block_size
        self.steps, self.batch = learning.predictor_steps, learning.predictor_batch
        self.learning_rate, self.weight_decay = learning.learning_rate, learning.weight_decay
        self.extras: nn.Module = nn.Module()

    def parameters(self) -> list[nn.Parameter]:
        """The predictor's."""
        return parameters_of(self.level.predictor)

    def prepare(self) -> None:
        """Encode what the encoder will never see again."""
        self.data = self.encode()

    @torch.no_grad()
    def _start_afresh(self) -> None:
        """New weights that read whitened states: the first ones were there to shape the encoder."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            fresh = make_predictor(self.level.state_dim, self.action_dim, self.level.settings)
        fresh.scale.fit(self.data.states.cpu())
        self.level.predictor.load_state_dict(fresh.state_dict())

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """Mean squared error one block ahead, from the row before and as much of the past as the predictor reads.

        Rollouts of several blocks cost as many times more and taught walls less well. The error is not whitened: that would
        let the layout drown the agent.
        """
        if step == 0:
            self._start_afresh()
        data = self.data
        length = min(self.level.settings.context, int(data.lengths.max()))
        episode, offset = data.sample_rows(self.batch, generator, room=length)
        rows = (data.starts[episode] + offset)[:, None] + torch.arange(length + 1)
        imagined = self.level.predict(data.states[rows[:, :-1]], data.actions[rows[:, :-1]])
        terms = {"ahead_1": functional.mse_loss(imagined, data.states[rows[:, 1:]])}
        return terms["ahead_1"], terms
