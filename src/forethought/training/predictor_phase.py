"""Phase 2: the predictor trains on cached states of a frozen encoder, a hundred times as many transitions per second.

Contact with a wall is rare and depends on four numbers (position and heading of the agent, position of the wall and of its
door). When the encoder has converged, the predictor still predicts half of the blocked steps as crossings.

A planner exploits model errors. A model trained on one-step prediction alone lets the planner pass through a wall, one pixel
per block: after the first pixel it predicts from states outside the training distribution. So the phase trains one block
ahead first, which is cheap, and then on multi-step rollouts from predicted states.

With `training.predictor_loss = mahalanobis`, errors count in units of their own covariance: the negative log-likelihood of a
Gaussian with full covariance, up to a constant. States that VICReg has decorrelated hold functions of the world that change too
fast to be predicted. In the plain mean they take most of the network, and what could be predicted well is not.

With a latent variable, the prior is calibrated on held-out steps after the last step.
"""

from __future__ import annotations

import logging

import torch
from jaxtyping import Float
from torch import Tensor, nn

from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.data_parallel import local_rows
from forethought.states import StateSpec
from forethought.training.critic_phase import EncodeOnce
from forethought.training.latent_training import kl_warmup, latent_information, latent_rollout_loss, revive
from forethought.training.phases import Phase, Terms, parameters_of
from forethought.training.stochastic_transitions import Steps, calibrate

log = logging.getLogger(__name__)


class ErrorScale(nn.Module):
    """Mean square of prediction errors in units of their covariance, which is fitted to them as training goes on.

    The trace of the inverse covariance is the number of dimensions, so that its size is that of a mean square.
    """

    precision: Tensor
    EVERY, WINDOWS = 100, 4096
    """Steps from one fit to the next; windows of a fit."""
    FLOOR = 1e-3
    """Added to the variances, in units of a state's: smaller errors need not become smaller."""

    def __init__(self, spec: StateSpec) -> None:
        """`spec`: layout of the states; tokens share one covariance."""
        super().__init__()
        self.spec = spec
        self.register_buffer("precision", torch.eye(spec.dim))

    @torch.no_grad()
    def fit(self, errors: Float[Tensor, "N D"]) -> None:
        """Fit the covariance to these errors, about zero."""
        rows = self.spec.tokens_of(errors).flatten(0, 1).cpu().double()
        covariance = rows.T @ rows / len(rows) + self.FLOOR * torch.eye(self.spec.dim, dtype=torch.double)
        precision = torch.linalg.inv(covariance)
        self.precision.copy_(precision * len(precision) / precision.trace())

    def forward(self, errors: Float[Tensor, "*B D"]) -> Float[Tensor, ""]:
        """The mean over all errors."""
        tokens = self.spec.tokens_of(errors)
        mean: Tensor = ((tokens @ self.precision) * tokens).mean()
        return mean


class PredictorPhase(Phase):
    """Trains the dynamics on cached states: one-step prediction, then multi-step rollouts. The encoder is frozen."""

    name = "predictor"

    def __init__(self, modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce) -> None:
        """`encode` returns the encoded training episodes."""
        self.level, self.encode, self.learning = modules.world_model, encode, configuration.training
        self.one_step_steps, self.rollout_steps = self.learning.predictor_steps, self.learning.rollout_steps
        self.steps = self.one_step_steps + self.rollout_steps
        self.learning_rate, self.weight_decay = self.learning.learning_rate, self.learning.weight_decay
        self.errors = ErrorScale(modules.world_model.metric.spec) if self.learning.predictor_loss == "mahalanobis" else None
        self.extras: nn.Module = self.errors or nn.Module()

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of the predictor and of the latent variable, if any; not those of the encoder."""
        return parameters_of(*self.level.dynamics())

    def parts(self) -> dict[str, int]:
        """One-step prediction, then rollouts."""
        return {"predictor": self.one_step_steps, "rollout": self.rollout_steps}

    def resize(self, part: str, steps: int) -> None:
        """See `Phase.resize`."""
        if part == "predictor":
            self.one_step_steps = steps
        else:
            self.rollout_steps = steps
        self.steps = self.one_step_steps + self.rollout_steps

    def start(self) -> None:
        """Encode the training episodes once, and fit window and rollout lengths to the median episode."""
        self.data = self.encode()
        if self.level.latent is not None:
            self.data, self.kept_back = self.data.split()
        # Windows are sampled from episodes that are long enough; at least half of the episodes must be.
        median_length = int(self.data.lengths.median())
        self.past = min(self.level.settings.context, median_length)
        self.horizon = min(self.learning.rollout_horizon, median_length - self.past + 1)
        if self.horizon < self.learning.rollout_horizon:
            log.warning(
                "training.rollout_horizon = %d blocks is longer than half of the episodes: the horizon is cut to %d blocks.",
                self.learning.rollout_horizon, self.horizon,
            )  # fmt: skip

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """Mean squared error of predicted states, or in units of their covariance.

        It is not whitened by the variance of states: that would let the layout dominate the agent.
        """
        if step == 0:
            self.level.refresh(self.data.states, self.learning.seed)
        if self.errors is not None and step % ErrorScale.EVERY == 0:
            self._fit_errors(self.errors, generator)
        multi_step = step >= self.one_step_steps
        loss, terms = self._multi_step(generator) if multi_step else self._one_step(step, generator)
        if step == self.steps - 1 and self.level.latent is not None:
            calibrate(self.level, Steps.of(self.kept_back))
        return loss, terms

    @torch.no_grad()
    def _fit_errors(self, scale: ErrorScale, generator: torch.Generator) -> None:
        """Fit the covariance of one-step errors; the same windows in all processes."""
        states, actions = self.data.windows(ErrorScale.WINDOWS, self.past, generator)
        scale.fit((self.level.predict(states[:, :-1], actions) - states[:, 1:])[:, -1])

    def _one_step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """One-step prediction from each row, with the context that the predictor reads."""
        states, actions = map(local_rows, self.data.windows(self.learning.predictor_batch, self.past, generator))
        if self.level.latent is not None:
            steps = self.one_step_steps
            revive(self.level, step, steps, generator)
            return self._latent_loss(states, actions, kl_warmup(step, steps), generator)
        errors = self.level.predict(states[:, :-1], actions) - states[:, 1:]
        error = errors.square().mean()
        return error if self.errors is None else self.errors(errors), {"ahead_1": error}

    def _multi_step(self, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """Open-loop rollouts of `horizon` blocks from a full context."""
        past = self.past
        windows = self.data.windows(self.learning.rollout_batch, past - 1 + self.horizon, generator)
        states, actions = map(local_rows, windows)
        if self.level.latent is not None:
            return self._latent_loss(states, actions, 1.0, generator)
        errors = self.level.open_loop(states, actions, past) - states[:, past:]
        by_block = errors.square().mean((0, 2))
        terms = {f"ahead_{1 + block}": error for block, error in enumerate(by_block)}
        return by_block.mean() if self.errors is None else self.errors(errors), terms

    def _latent_loss(
        self, states: Tensor, actions: Tensor, kl_factor: float, generator: torch.Generator
    ) -> tuple[Tensor, Terms]:
        """Loss with a latent variable, of [B, T + 1, D] and [B, T, A]; see `latent_rollout_loss`."""
        errors, latent = latent_rollout_loss(self.level, states[:, 0], states[:, 1:], actions, kl_factor, generator)
        terms = {f"ahead_{1 + block}": error for block, error in enumerate(errors)}
        return errors.mean() + latent, {**terms, "latent": latent}

    @torch.no_grad()
    def monitor(self) -> dict[str, float | list[str]]:
        """Information in z on held-out steps, bits; nothing without a latent variable."""
        return {} if self.level.latent is None else {"bits": latent_information(self.level, Steps.of(self.kept_back))}
