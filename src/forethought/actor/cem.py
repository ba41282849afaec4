"""CEM and iCEM: refit a Gaussian to the best of its own samples.

Axes: B episodes, K candidates, H blocks, A numbers in a block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from forethought.actor.contract import Plan, Planner, PlanningProblem
from forethought.actor.gaussian import Gaussian, initial_proposal, noise_for, sample_within
from forethought.actor.sampling_search import cheapest, require_effort, require_kind, search

KEPT = 0.3
"""iCEM's xi: share of the elites that is kept for the next iteration."""
DECAY = 1.25
"""iCEM's gamma: each population is this much smaller than the one before."""
MOMENTUM = 0.1
"""iCEM's alpha: weight of the old mean and deviation in the new."""


@dataclass(frozen=True)
class CEM(Planner):
    """The cross-entropy method (Rubinstein 1999; de Boer et al. 2005, algorithm 4.1, for a Gaussian).

    Fields:
        horizon: H, in blocks. candidates: K per iteration. iterations: refits. elites: samples to refit to.
        noise: first standard deviation, in units of half the action range.
        correlation: of the noise from one step to the next, in [0, 1); 0 is white noise.
    """

    name: ClassVar[str] = "cem"
    horizon: int
    candidates: int
    iterations: int
    elites: int
    noise: float
    correlation: float

    def __post_init__(self) -> None:
        """Check that there are no more elites than candidates."""
        require_effort(self.name, self.candidates, self.elites)

    def plan(self, problem: PlanningProblem) -> Plan:
        """The cheapest of all samples, all given candidates, and the mean of the last fit."""
        require_kind(self.name, problem, discrete=False)
        noise = noise_for(problem, self.horizon, self.candidates, self.correlation)
        return search(
            problem,
            self.horizon,
            sizes=[self.candidates] * self.iterations,
            proposal=initial_proposal(problem, self.horizon, self.noise),
            sample=lambda proposal, iteration, out: sample_within(problem, proposal, noise, out),
            update=lambda proposal, actions, energy: refit(cheapest(actions, energy, self.elites)[0]),
            answer=lambda proposal: proposal.mean,
        )


def refit(elites: Tensor) -> Gaussian:
    """The maximum-likelihood Gaussian of elites [B, E, H, A] (de Boer et al. 2005, equations 43 and 44)."""
    std, mean = torch.std_mean(elites, dim=1, correction=0)
    return Gaussian(mean, std)


@dataclass(frozen=True)
class ICEM(CEM):
    """Sample-efficient CEM for real-time planning (Pinneri et al., 2008.06389, algorithm 1).

    Additions to CEM: temporally correlated noise, a decreasing population size, kept elites (within one call; across
    decisions they are passed as candidates), momentum, and the mean as a candidate of the last iteration.

    Fields: as `CEM`; `candidates` is the first population's size.
    """

    name: ClassVar[str] = "icem"

    def plan(self, problem: PlanningProblem) -> Plan:
        """The cheapest of all samples and all given candidates."""
        require_kind(self.name, problem, discrete=False)
        noise = noise_for(problem, self.horizon, self.candidates, self.correlation)
        no_elites = problem.low.new_empty(problem.batch, 0, self.horizon, problem.low.shape[-1])

        def sample(proposal: KeptElites, iteration: int, out: Tensor) -> None:
            sample_within(problem, proposal.gaussian, noise, out)
            if iteration == self.iterations - 1:
                out[:, 0] = proposal.gaussian.mean

        return search(
            problem,
            self.horizon,
            sizes=population_sizes(self.candidates, self.iterations, self.elites),
            proposal=KeptElites(initial_proposal(problem, self.horizon, self.noise), no_elites, no_elites[:, :, 0, 0]),
            sample=sample,
            update=lambda proposal, actions, energy: refit_with_kept_elites(proposal, actions, energy, self.elites),
        )


@dataclass(frozen=True)
class KeptElites:
    """iCEM's state between iterations.

    Fields:
        gaussian: distribution of the next samples.
        actions, energy: [B, E, H, A] and [B, E], the kept elites with their energies.
    """

    gaussian: Gaussian
    actions: Tensor
    energy: Tensor


def population_sizes(candidates: int, iterations: int, elites: int) -> list[int]:
    """K_i = max(K * gamma^-i, 2 * elites), at most K (algorithm 1, line 4)."""
    return [min(candidates, max(int(candidates * DECAY**-i), 2 * elites)) for i in range(iterations)]


def refit_with_kept_elites(proposal: KeptElites, actions: Tensor, energy: Tensor, count: int) -> KeptElites:
    """Select elites among new samples and kept elites, refit with momentum, keep the best (lines 8 to 12).

    Kept elites retain their energies, so they are not rolled out again.
    """
    new_elites, new_energy = cheapest(actions, energy, count)
    elites, elite_energy = cheapest(
        torch.cat([proposal.actions, new_elites], dim=1), torch.cat([proposal.energy, new_energy], dim=1), count
    )
    new, old = refit(elites), proposal.gaussian
    gaussian = Gaussian(torch.lerp(new.mean, old.mean, MOMENTUM), torch.lerp(new.std, old.std, MOMENTUM))
    kept = math.ceil(KEPT * count)
    return KeptElites(gaussian, elites[:, :kept], elite_energy[:, :kept])
