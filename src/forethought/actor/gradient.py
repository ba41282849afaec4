"""Gradient planning: follow the energy's slope through the world model, from many starts at once.

Axes: B episodes, K starts, H blocks, A numbers in a block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from forethought.actor.contract import Plan, Planner, PlanningProblem
from forethought.actor.gaussian import initial_proposal, noise_for, sample_within
from forethought.actor.sampling_search import Incumbent, first_population, require_kind
from forethought.errors import ForethoughtError, NonFiniteError

FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8
"""Adam's beta_1, beta_2 and epsilon, as published."""


@dataclass(frozen=True)
class GradientPlanner(Planner):
    """Projected Adam (Kingma and Ba, 1412.6980, algorithm 1) on the actions of many starts (the paper, p. 7).

    The given candidates are the first starts, random actions the others. Must not run under `torch.inference_mode`.

    Fields:
        horizon: H, in blocks. candidates: K starts. iterations: gradient steps.
        learning_rate: about how far a number of an action moves in one step, in units of half its range.
        noise, correlation: of the random starts, as in `CEM`.
    """

    horizon: int
    candidates: int
    iterations: int
    learning_rate: float
    noise: float
    correlation: float

    def plan(self, problem: PlanningProblem) -> Plan:
        """The cheapest point on all paths, starts included.

        `calls` counts forward predictor calls, K * H * (iterations + 1); all but the last K * H have a backward pass.
        """
        require_kind("gradient", problem, discrete=False)
        return descend(problem, self._starts(problem), self.iterations, self.learning_rate)

    def _starts(self, problem: PlanningProblem) -> Tensor:
        starts, front = first_population(problem, self.horizon, self.candidates)
        if front < self.candidates:
            noise = noise_for(problem, self.horizon, self.candidates, self.correlation)
            sample_within(problem, initial_proposal(problem, self.horizon, self.noise), noise, starts[:, front:])
        return starts


@dataclass(frozen=True)
class Polished(Planner):
    """Another planner, and then a few steps downhill from its plan: what sampling finds lies near a minimum, seldom in it.

    Fields:
        horizon: H, the planner's. planner: searches. steps: downhill. learning_rate: as in `GradientPlanner`.
    """

    horizon: int
    planner: Planner
    steps: int
    learning_rate: float

    def plan(self, problem: PlanningProblem) -> Plan:
        """The planner's own plan, or a cheaper one downhill of it; H * (steps + 1) calls more."""
        found = self.planner.plan(problem)
        polished = descend(problem, found.actions[:, None], self.steps, self.learning_rate)
        return replace(polished, calls=found.calls + polished.calls)


def descend(problem: PlanningProblem, starts: Tensor, steps: int, learning_rate: float) -> Plan:
    """Projected Adam from `starts` [B, K, H, A]: the cheapest point on all paths, the starts included.

    Raises:
        NonFiniteError: an energy or its gradient is NaN or infinite; says which episode and candidate.
    """
    actions, reach = starts.clone(), (problem.high - problem.low) / 2
    first, second = torch.zeros_like(actions), torch.zeros_like(actions)
    incumbent = Incumbent(problem)
    for step in range(1, steps + 1):
        states, energy, gradient = slope(problem, actions)
        incumbent.meet(actions, states, energy)
        require_slope(gradient)
        adam_(actions, gradient, first, second, step, learning_rate * reach)
        torch.clamp(actions, problem.low, problem.high, out=actions)
    incumbent.price(actions)
    return incumbent.plan()


def slope(problem: PlanningProblem, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """States [B, K, H, D], energies [B, K] and the energies' gradient [B, K, H, A] at the actions.

    The gradient of the sum is each candidate's own gradient, since no candidate's energy depends on another's actions.
    Only the actions receive a gradient; the world model's parameters are left alone.

    Raises:
        ForethoughtError: the energy does not depend on the actions in a way that can be differentiated.
    """
    with torch.enable_grad():
        leaf = actions.detach().requires_grad_()
        states = problem.rollout(leaf)
        energy = problem.energy(states, leaf)
        if not energy.requires_grad:
            raise ForethoughtError(
                "planner 'gradient': the energy has no gradient in the actions; make the rollout and the cost "
                "differentiable (no detach, no no_grad), or set planner.search.kind to 'icem'."
            )
        (gradient,) = torch.autograd.grad(energy.sum(), leaf)
    return states.detach(), energy.detach(), gradient


def require_slope(gradient: Tensor) -> None:
    """Refuse a gradient [B, K, H, A] that leads nowhere.

    Raises:
        NonFiniteError: names the first episode and candidate whose gradient is not finite.
    """
    finite = torch.isfinite(gradient).flatten(2).all(2)
    if not bool(finite.all()):
        episode, candidate = (~finite).nonzero()[0].tolist()
        raise NonFiniteError(
            f"planning: the energy of episode {episode}, candidate {candidate} is finite, but its gradient is not; look for a "
            "root or a norm of zero in the cost or the model, or do without gradients (another planner, no polish)."
        )


def adam_(actions: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, learning_rate: Tensor) -> None:
    """One Adam step in place (algorithm 1, in the order of section 2's last paragraph), with a rate [A] for each number.

    `step` counts from 1. Elementwise, so that no start and no episode feels another. `torch.optim.Adam` would do the same, but
    its first step imports a compiler for seconds, in the middle of a decision.
    """
    first.lerp_(gradient, 1 - FIRST)
    second.mul_(SECOND).addcmul_(gradient, gradient, value=1 - SECOND)
    rate = learning_rate * math.sqrt(1 - SECOND**step) / (1 - FIRST**step)
    actions.sub_(first.div(second.sqrt().add_(EPSILON)).mul_(rate))
