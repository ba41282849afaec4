"""Categorical CEM: the cross-entropy method for discrete actions.

Axes: B episodes, K candidates, H blocks, A = steps * codes numbers in a block (a one-hot vector per step).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from forethought.actor.contract import Plan, Planner, PlanningProblem
from forethought.actor.noise import ColouredNoise
from forethought.actor.sampling_search import cheapest, one_hot, require_effort, require_kind, search

SMOOTHING = 0.7
"""Weight of the elites' frequencies against the old probabilities (de Boer et al. 2005, section 3.3: 0.4 to 0.9)."""


@dataclass(frozen=True)
class CategoricalCEM(Planner):
    """The cross-entropy method over independent categorical choices (de Boer et al. 2005, algorithm 3.3).

    Fields:
        horizon: H, in blocks. candidates: K per iteration. iterations: refits. elites: samples to refit to.
        correlation: of the choices from one step to the next, in [0, 1); 0 is independent sampling.
    """

    horizon: int
    candidates: int
    iterations: int
    elites: int
    correlation: float

    def __post_init__(self) -> None:
        """Check that there are no more elites than candidates."""
        require_effort("categorical", self.candidates, self.elites)

    def plan(self, problem: PlanningProblem) -> Plan:
        """The cheapest of all samples, all given candidates, and the most probable choices of the last fit."""
        require_kind("categorical", problem, discrete=True)
        assert problem.codes is not None
        codes, steps = problem.codes, problem.steps
        noise = ColouredNoise(problem, self.candidates, self.horizon, 1, self.correlation)
        uniform = problem.low.new_empty(problem.batch, self.candidates, self.horizon, steps)
        uniform_probs = problem.low.new_full((problem.batch, self.horizon, steps, codes), 1 / codes)

        def sample(probability: Tensor, iteration: int, out: Tensor) -> None:
            # A Gaussian copula: correlated normal samples become uniform, then categorical by the inverse distribution
            # function. Each choice keeps its exact probability, and neighbouring steps are correlated.
            samples = noise.draw(problem.streams, uniform[:, : out.shape[1]])
            choose(probability, torch.special.ndtr(samples, out=samples), out)

        def update(probability: Tensor, actions: Tensor, energy: Tensor) -> Tensor:
            elites = torch.unflatten(cheapest(actions, energy, self.elites)[0], -1, (steps, codes))
            return torch.lerp(probability, elites.mean(dim=1), SMOOTHING)

        return search(
            problem,
            self.horizon,
            sizes=[self.candidates] * self.iterations,
            proposal=uniform_probs,
            sample=sample,
            update=update,
            answer=lambda probability: one_hot(probability.argmax(dim=-1), codes).to(probability),
        )


def choose(probability: Tensor, uniform: Tensor, out: Tensor) -> None:
    """Sample by the inverse distribution function, as one-hot vectors, in place.

    Args:
        probability: [B, H, steps, codes], sums to 1 over the codes.
        uniform: [B, K, H, steps], in [0, 1].
        out: [B, K, H, steps * codes].
    """
    upper = probability.cumsum(dim=-1)[:, None]
    # The first interval is unbounded below and the last above: with rounding errors, each sample still gets a code.
    lower = torch.cat([torch.full_like(upper[..., :1], -torch.inf), upper[..., :-1]], dim=-1)
    upper = torch.cat([upper[..., :-1], torch.full_like(upper[..., :1], torch.inf)], dim=-1)
    chosen = torch.unflatten(out, -1, probability.shape[2:])
    torch.logical_and(uniform[..., None] > lower, uniform[..., None] <= upper, out=chosen)
