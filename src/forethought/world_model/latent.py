"""The latent variable z: the part of the next state that state and action do not determine (the paper, section 4.3: "z ...
parameterises the set of plausible predictions").

The information in z is limited; otherwise z would encode the whole outcome (the paper, section 4.5.2). There are four limits
behind one interface: a few discrete `Codes` here; low-dimensional, sparse or noisy vectors in `continuous.py`.
Axes: Z dimensions of z, C codes, M quadrature points.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.config import CodesConfig
from forethought.data_parallel import whole_batch
from forethought.layers import mlp
from forethought.states import StateMetric
from forethought.whitening import Whitening

REVIVED_BELOW = 0.002
"""A code that is assigned to a smaller share of transitions than this is dead."""
START_TEMPERATURE, MIN_TEMPERATURE, MIN_SHARE = 1.0, 1e-6, 1e-12
"""Annealing temperatures, in squared error of states with unit variance; lower clamp of a share before its logarithm."""
USAGE_DECAY = 0.99
"""Decay of the running usage shares, per step."""

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""States [..., D], actions [..., A] and z [..., Z] to next states [..., D]."""


@dataclass(frozen=True)
class LatentPosterior:
    """The inferred z of logged transitions.

    Fields:
        z: [..., Z]. following: [..., D], the predicted next state with this z.
        told: [...], information in z beyond the prior (KL of posterior and prior), nats.
        loss: training loss of posterior and prior, without the squared error of `following`; a scalar.
    """

    z: Tensor
    following: Tensor
    told: Tensor
    loss: Tensor

    @property
    def bits(self) -> Tensor:
        """Information in z beyond the prior, bits [...]."""
        return self.told / math.log(2)


class Latent(nn.Module, ABC):
    """A latent variable with limited information and a learned prior p(z | s, a).

    Attributes:
        size: Z. numbers: uniform numbers per sample (noise dimension). counted: z is discrete, one of a few codes.
        kl_weight: squared error (mean over dimensions) that one nat of z costs.
    """

    size: int
    numbers: int
    counted: bool
    kl_weight: float
    scale: Whitening

    @abstractmethod
    def draw(self, states: Tensor, actions: Tensor, chance: Tensor | None, prior_exponent: float = 1.0) -> Tensor:
        """Sample z [..., Z] from the prior, or from the tempered prior p(z | s, a)^prior_exponent (normalised).

        Equal uniform numbers give equal z wherever the prior is equal: candidates are compared with common random numbers.

        Args:
            states: [..., D]. actions: [..., A]. chance: uniform numbers in [0, 1), [..., numbers]; None: the mode of the prior.
            prior_exponent: in (0, 1]. A planner exploits actions for which the learned prior is overconfident in
                a favourable outcome; an exponent below 1 makes unlikely outcomes more frequent.
        """

    @abstractmethod
    def is_valid(self, z: Tensor) -> bool:
        """Whether each z [..., Z] is a valid value of this latent variable."""

    @abstractmethod
    def outcomes(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Quadrature of the prior at states [..., D] and actions [..., A].

        Returns:
            Uniform numbers [..., M, numbers] for `draw`, and their probabilities [..., M], which sum to 1.
        """

    @abstractmethod
    def explain(
        self,
        predict: Predict,
        states: Tensor,
        actions: Tensor,
        following: Tensor,
        kl_factor: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> LatentPosterior:
        """Infer the z of logged transitions from states, actions and next states (the posterior).

        Args:
            predict: see `Predict`. states, following: [..., D]. actions: [..., A]. Encoders of states and (macro-)actions get
                gradients from the prediction, not from the prior.
            kl_factor: factor of the KL weight, 0 to 1 (KL warm-up). generator: for noise in z; None: no noise.
        """

    @abstractmethod
    def energies(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> Tensor:
        """E(x, y, z) of each code, [..., C]; of the best z if z is continuous, [..., 1].

        Args: as `explain`.
        """

    @abstractmethod
    def best(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """The z [..., Z] of minimal energy, and that energy, [...].

        Args: as `explain`.
        """

    @abstractmethod
    def cost(self, states: Tensor, actions: Tensor, z: Tensor) -> Tensor:
        """Energy of z [..., Z] under the prior: KL weight times -log p(z | s, a), in units of squared error, [...]."""

    def join(self, actions: Tensor, z: Tensor | None) -> Tensor:
        """Concatenate actions [..., A] and z [..., Z] (None: zeros), [..., A + Z]."""
        return torch.cat([actions, actions.new_zeros(*actions.shape[:-1], self.size) if z is None else z], -1)

    def revive(self, first: nn.Linear, generator: torch.Generator) -> int:
        """Reset dead codes; returns their number. By default there are none."""
        return 0


class Codes(Latent):
    """Discrete latent variable: z is one of C codes, one-hot. Inference tries all codes; the prior is a softmax over codes.

    Attributes:
        share: [C], running share of transitions that each code is assigned to.
        inverse_temperature: scalar in (0, 1], inverse temperature of the prior; 1 until `calibrate`.
    """

    numbers, counted = 1, True
    share: Tensor
    inverse_temperature: Tensor

    def __init__(
        self, state_dim: int, action_dim: int, settings: CodesConfig, hidden: int, metric: StateMetric | None = None
    ) -> None:
        """The prior reads a state and the action block taken from it."""
        super().__init__()
        self.size, self.kl_weight = settings.num_codes, settings.kl_weight
        self.scale = Whitening(state_dim, metric)
        self.prior = mlp(state_dim + action_dim, hidden, self.size)
        self.register_buffer("share", torch.full((self.size,), 1 / self.size))
        self.register_buffer("inverse_temperature", torch.ones(()))

    def every(self, actions: Tensor) -> Tensor:
        """All codes for each action, [..., A] to [..., C, C]."""
        return torch.eye(self.size, dtype=actions.dtype, device=actions.device).expand(*actions.shape[:-1], -1, -1)

    def log_prior(self, states: Tensor, actions: Tensor) -> Tensor:
        """Log p(z | s, a): [..., D] and [..., A] to [..., C], nats."""
        logits: Tensor = self.prior(torch.cat([self.scale(states), actions], -1))
        return (self.inverse_temperature * logits).log_softmax(-1)

    def draw(self, states: Tensor, actions: Tensor, chance: Tensor | None, prior_exponent: float = 1.0) -> Tensor:
        """See `Latent.draw`: inverse transform sampling of the code."""
        log_prior = self.log_prior(states, actions)
        if chance is None:
            return self._one_hot(log_prior.argmax(-1))
        # Calibration and `prior_exponent` both flatten the prior: the stronger of the two applies, not their product.
        probabilities = (log_prior * (prior_exponent / self.inverse_temperature).clamp(max=1)).softmax(-1)
        return self._one_hot((probabilities.cumsum(-1)[..., :-1] <= chance).sum(-1))

    def is_valid(self, z: Tensor) -> bool:
        """See `Latent.is_valid`: one-hot vectors."""
        return bool(((z == 0) | (z == 1)).all() and (z.sum(-1) == 1).all())

    def outcomes(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """See `Latent.outcomes`: the midpoint of each code's interval (M = C)."""
        probabilities = self.log_prior(states, actions).exp()
        return (probabilities.cumsum(-1) - probabilities / 2)[..., None], probabilities

    def ways(self, predict: Predict, states: Tensor, actions: Tensor) -> Tensor:
        """Predicted next state with each code, [..., D] and [..., A] to [..., C, D]."""
        codes = self.every(actions)
        states, actions = (part[..., None, :].expand(*codes.shape[:-1], -1) for part in (states, actions))
        return predict(states, actions, codes)

    def energies(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> Tensor:
        """See `Latent.energies`."""
        return self.energy(self.ways(predict, states, actions), following, self.log_prior(states, actions))

    def best(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """See `Latent.best`: exhaustive search over the codes."""
        energy, code = self.energies(predict, states, actions, following).min(-1)
        return self._one_hot(code), energy

    def cost(self, states: Tensor, actions: Tensor, z: Tensor) -> Tensor:
        """See `Latent.cost`."""
        return -self.kl_weight * (self.log_prior(states, actions) * z).sum(-1)

    def energy(self, predictions: Tensor, following: Tensor, log_prior: Tensor) -> Tensor:
        """E(x, y, z) of each code: squared error minus KL weight times log prior, [..., C] (the paper, section 4.3).

        Args:
            predictions: [..., C, D], the next state for each code. following: [..., D], the logged next state.
            log_prior: [..., C], nats.
        """
        return (predictions - following[..., None, :]).square().mean(-1) - self.kl_weight * log_prior

    def explain(
        self,
        predict: Predict,
        states: Tensor,
        actions: Tensor,
        following: Tensor,
        kl_factor: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> LatentPosterior:
        """See `Latent.explain`: z is the code of minimal energy; each code learns with its weight in the free energy.

        If only the best code learned, a code that starts far from a rare event would never be assigned to it, and two outcomes
        would share one code. So training starts at a high temperature, with all codes near the mean outcome, and cools down
        (deterministic annealing: Rose 1998; Perera et al. 2024, 2407.15580): the most distinct outcomes separate first. At the
        end the weights are the posterior p(z | s, a, s'). Where the codes predict the same state, z carries no information.
        """
        log_prior = self.log_prior(states.detach(), actions.detach())
        predictions = self.ways(predict, states, actions)
        energy = self.energy(predictions, following, log_prior.detach())
        posterior = (-energy / self._temperature(kl_factor)).softmax(-1).detach()
        code = posterior.argmax(-1)
        if self.training:
            self._update_usage(code)
        information = (posterior * (posterior.clamp_min(MIN_SHARE).log() - log_prior)).sum(-1)
        # The caller adds the error of the best code. The prior is detached in the energy, so it adds a constant here.
        other_codes = (posterior * energy).sum(-1) - energy.gather(-1, code[..., None]).squeeze(-1)
        index = code[..., None, None].expand(*code.shape, 1, predictions.shape[-1])
        best = predictions.gather(-2, index).squeeze(-2)
        return LatentPosterior(self._one_hot(code), best, information, (information + other_codes).mean())

    def _temperature(self, kl_factor: float) -> float:
        """Annealing temperature: geometric from `START_TEMPERATURE` (factor 0) to the KL weight (factor 1, exact posterior)."""
        final = max(self.kl_weight, MIN_TEMPERATURE)
        return float(START_TEMPERATURE * (final / START_TEMPERATURE) ** kl_factor)

    @torch.no_grad()
    def calibrate(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> None:
        """Temperature-scale the prior: choose the exponent of least negative log-likelihood on held-out steps [N, ...].

        The prior overfits, because each state of the log has a single outcome; one scalar corrects most of that (Guo et al.
        2017, 1706.04599, section 4.2). Args: as `explain`.
        """
        # A new tensor each time: the graph of a pending backward pass may hold the old one.
        self.inverse_temperature = torch.ones_like(self.inverse_temperature)
        log_prior = self.log_prior(states, actions)
        error = (self.ways(predict, states, actions) - following[..., None, :]).square().mean(-1)
        exponents = torch.arange(20, 0, -1, device=states.device) / 20
        scaled = (exponents[:, None, None] * log_prior).log_softmax(-1)
        negative_log_likelihood = -(scaled - error / self._temperature(1.0)).logsumexp(-1).mean(-1)
        self.inverse_temperature = exponents[negative_log_likelihood.argmin()].clone()

    @torch.no_grad()
    def revive(self, first: nn.Linear, generator: torch.Generator) -> int:
        """Reset each dead code to a noisy copy of the most used one; returns the number of dead codes.

        Args:
            first: the predictor's first layer, whose last C inputs are the code. generator: of the noise.
        """
        dead = torch.nonzero(self.share < REVIVED_BELOW).flatten().tolist()
        last = self.prior[-1]
        assert isinstance(last, nn.Linear)
        columns = first.weight[:, -self.size :]
        for code in dead:
            most_used = int(self.share.argmax())
            noise = torch.randn(columns.shape[0], generator=generator).to(columns) * columns.std() * 0.5
            columns[:, code] = columns[:, most_used] + noise
            last.weight[code], last.bias[code] = last.weight[most_used], last.bias[most_used]
            self.share[most_used] /= 2
            self.share[code] = self.share[most_used]
        return len(dead)

    @torch.no_grad()
    def _update_usage(self, code: Tensor) -> None:
        """Update the running usage shares; `code`: int64 [...]."""
        self.share.lerp_(whole_batch(self._one_hot(code)).flatten(0, -2).mean(0), 1 - USAGE_DECAY)

    def _one_hot(self, code: Tensor) -> Tensor:
        """Codes int64 [...] as one-hot z, [..., C]."""
        return functional.one_hot(code, self.size).to(self.share.dtype)
