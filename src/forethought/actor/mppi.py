"""MPPI: the mean of all samples, weighted by exp(-energy / temperature).

Axes: B episodes, K candidates, H blocks, A numbers in a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from forethought.actor.contract import Plan, Planner, PlanningProblem
from forethought.actor.gaussian import Gaussian, initial_proposal, noise_for, sample_within
from forethought.actor.sampling_search import require_kind, search

LEAST_STD = 0.05
"""Smallest standard deviation, in units of half the action range (TD-MPC's value): the search does not collapse to its mean."""


@dataclass(frozen=True)
class MPPI(Planner):
    """Model predictive path integral control (Williams et al., 1509.01149, algorithm 1), iterated.

    As in TD-MPC (2203.04955, equations 4 and 5) the standard deviation is refitted with the same weights as the mean, and the
    control cost of the derivation is the `Effort` cost.

    Fields:
        horizon: H, in blocks. candidates: K per iteration. iterations: updates.
        temperature: lambda, in units of the population's standard deviation of energy.
        noise, correlation: as in `CEM`.
    """

    horizon: int
    candidates: int
    iterations: int
    temperature: float
    noise: float
    correlation: float

    def plan(self, problem: PlanningProblem) -> Plan:
        """The cheapest of all samples, all given candidates, and the last weighted mean."""
        require_kind("mppi", problem, discrete=False)
        noise = noise_for(problem, self.horizon, self.candidates, self.correlation)
        min_std = LEAST_STD * (problem.high - problem.low) / 2
        return search(
            problem,
            self.horizon,
            sizes=[self.candidates] * self.iterations,
            proposal=initial_proposal(problem, self.horizon, self.noise),
            sample=lambda proposal, iteration, out: sample_within(problem, proposal, noise, out),
            update=lambda proposal, actions, energy: weighted_refit(actions, path_weights(energy, self.temperature), min_std),
            answer=lambda proposal: proposal.mean,
        )


def path_weights(energy: Tensor, temperature: float) -> Tensor:
    """Weights [B, K] that sum to 1 over the candidates: softmax of -energy / (lambda * std of the energies).

    Information-theoretic weights of 1509.01149 (equations 34 and 35). The temperature is in units of the population's
    standard deviation, so the weights are invariant to the unit and offset of the energy.
    """
    centred = energy - energy.amin(dim=1, keepdim=True)
    spread = centred.std(dim=1, correction=0, keepdim=True)
    # Equal energies give 0 / tiny = 0 everywhere, and so equal weights.
    return torch.softmax(-centred / (temperature * spread + torch.finfo(energy.dtype).tiny), dim=1)


def weighted_refit(actions: Tensor, weights: Tensor, min_std: Tensor) -> Gaussian:
    """Weighted mean and standard deviation: [B, K, H, A], [B, K] -> [B, H, A] each; deviations are at least `min_std` [A]."""
    flat, row_weights = actions.flatten(2), weights[:, None]
    mean = torch.bmm(row_weights, flat)
    variance = torch.bmm(row_weights, (flat - mean).square_())
    shape = (len(actions), *actions.shape[2:])
    return Gaussian(mean.view(shape), torch.maximum(variance.sqrt_().view(shape), min_std))
