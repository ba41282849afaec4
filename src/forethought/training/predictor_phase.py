"""Phase 2: the predictor goes on learning from states that are encoded once; a hundred times the transitions for the money.

What a wall does is a rare event and a product of four numbers (where the agent is, where it heads, where the wall and its
door are). The encoder has long settled when the predictor still mistakes one blocked block in two for a crossing.

A planner searches for a model's mistakes. Trained one block ahead only, the model is driven, a pixel a block, into a wall and
out on the other side: after the first pixel it imagines from states that it never saw. So it is first taught one block
ahead, which is cheap, and then along rollouts, from its own imagined states.

Where something is left to chance, odds are made as sure as they are right in the end.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.training.critic_phase import EncodeOnce
from forethought.training.latent_training import kl_warmup, latent_information, latent_rollout_loss, revive
from forethought.training.phases import Phase, Terms, parameters_of
from forethought.training.stochastic_transitions import Steps, calibrate
from forethought.world_model.level import Context

log = logging.getLogger(__name__)


class PredictorPhase(Phase):
    """From cached states, one block ahead and then in rollouts; the encoder stays as it is."""

    name = "predictor"

    def __init__(self, modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce) -> None:
        """`encode` gives the training episodes' states."""
        self.level, self.encode, self.learning = modules.world_model, encode, configuration.training
        self.steps = self.learning.predictor_steps + self.learning.rollout_steps
        self.learning_rate, self.weight_decay = self.learning.learning_rate, self.learning.weight_decay
        self.extras: nn.Module = nn.Module()

    def parameters(self) -> list[nn.Parameter]:
        """The world model's but for the encoder's: the predictor, and the latent variable where there is one."""
        return parameters_of(*self.level.dynamics())

    def start(self) -> None:
        """Encode what the encoder will never see again."""
        self.data = self.encode()
        if self.level.latent is not None:
            self.data, self.kept_back = self.data.split()
        # Windows come from episodes that are long enough, so that half of all must be.
        room = int(self.data.lengths.median())
        self.past = min(self.level.settings.context, room)
        self.ahead = min(self.learning.rollout_horizon, room - self.past + 1)
        if self.ahead < self.learning.rollout_horizon:
            log.warning(
                "Rollouts of training.rollout_horizon = %d blocks don't fit half of the episodes: %d blocks are rolled out.",
                self.learning.rollout_horizon, self.ahead,
            )  # fmt: skip

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """Mean squared error of imagined states. It is not whitened: that would let the layout drown the agent."""
        if step == 0:
            self.level.refresh(self.data.states, self.learning.seed)
        rolling = step >= self.learning.predictor_steps
        found = self._rollouts(generator) if rolling else self._one_block_ahead(step, generator)
        if step == self.steps - 1 and self.level.latent is not None:
            calibrate(self.level, Steps.of(self.kept_back))
        return found

    def _one_block_ahead(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """From every row and as much of the past before it as the predictor reads."""
        states, actions = self.data.windows(self.learning.predictor_batch, self.past, generator)
        if self.level.latent is not None:
            steps = self.learning.predictor_steps
            revive(self.level, step, steps, generator)
            return self._several_ways(states, actions, kl_warmup(step, steps), generator)
        error = functional.mse_loss(self.level.predict(states[:, :-1], actions), states[:, 1:])
        return error, {"ahead_1": error}

    def _rollouts(self, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """`rollout` blocks from a full past, each from the state imagined before it."""
        past = self.past
        states, actions = self.data.windows(self.learning.rollout_batch, past - 1 + self.ahead, generator)
        if self.level.latent is not None:
            return self._several_ways(states, actions, 1.0, generator)
        context = Context(states[:, :past], actions[:, : past - 1])
        imagined = self.level.rollout(context, actions[:, None, past - 1 :])[:, 0]
        errors = (imagined - states[:, past:]).square().mean((0, 2))
        return errors.mean(), {f"ahead_{1 + block}": error for block, error in enumerate(errors)}

    def _several_ways(self, states: Tensor, actions: Tensor, priced: float, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """The same where there is a latent variable, of [B, T + 1, D] and [B, T, A]; see `latent_rollout_loss`."""
        errors, latent = latent_rollout_loss(self.level, states[:, 0], states[:, 1:], actions, priced, generator)
        ahead = {f"ahead_{1 + block}": error for block, error in enumerate(errors)}
        return errors.mean() + latent, {**ahead, "latent": latent}

    @torch.no_grad()
    def monitor(self) -> dict[str, float | list[str]]:
        """How much z tells of a block that it has not learned from."""
        return {} if self.level.latent is None else {"bits": latent_information(self.level, Steps.of(self.kept_back))}
