"""Gradient planning: gradient descent on the energy through the world model, from several starts.

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

    The given candidates are the first starts; the others are random. Must not run under `torch.inference_mode`.

    Fields:
        horizon: H, in blocks. candidates: K starts. iterations: gradient steps.
        learning_rate: approximate change of an action component in one step, in units of half its range.
        noise, correlation: of the random starts, as in `CEM`.
    """

    horizon: int
    candidates: int
    iterations: int
    learning_rate: float
    noise: float
    correlation: float

    def plan(self, problem: PlanningProblem) -> Plan:
        """The cheapest iterate of all descents, starts included.

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
    """Another planner, then gradient steps from its plan: sampling finds points near a minimum, rarely the minimum itself.

    Fields:
        horizon: H, the planner's. planner: the first search. steps: gradient steps. learning_rate: as in `GradientPlanner`.
    """

    horizon: int
    planner: Planner
    steps: int
    learning_rate: float

    def plan(self, problem: PlanningProblem) -> Plan:
        """The planner's own plan, or a cheaper iterate of the descent from it; H * (steps + 1) more calls."""
        plan = self.planner.plan(problem)
        if problem.timer is not None and not problem.timer.candidates(1, 1):
            return plan
        polished = descend(problem, plan.actions[:, None], self.steps, self.learning_rate)
        return replace(polished, calls=plan.calls + polished.calls)


def descend(problem: PlanningProblem, starts: Tensor, steps: int, learning_rate: float) -> Plan:
    """Projected Adam from `starts` [B, K, H, A]: the cheapest iterate of all descents, starts included.

    Raises:
        NonFiniteError: an energy or its gradient is NaN or infinite; names the episode and the candidate.
    """
    actions, half_range = starts.clone(), (problem.high - problem.low) / 2
    first, second = torch.zeros_like(actions), torch.zeros_like(actions)
    incumbent = Incumbent(problem)
    timer, count = problem.timer, actions.shape[1]
    if timer is not None:
        count = timer.candidates(count, steps + 1)
        actions, first, second = actions[:, :count], first[:, :count], second[:, :count]
    for step in range(1, steps + 1):
        if timer is not None and step > 1 and timer.candidates(count, steps + 2 - step) < count:
            return incumbent.plan()
        states, energy, gradient = energy_gradient(problem, actions)
        incumbent.update(actions, states, energy)
        require_finite_gradient(gradient)
        adam_(actions, gradient, first, second, step, learning_rate * half_range)
        torch.clamp(actions, problem.low, problem.high, out=actions)
        if timer is not None:
            timer.done(count)
    incumbent.evaluate(actions)
    return incumbent.plan()


def energy_gradient(problem: PlanningProblem, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """States [B, K, H, D], energies [B, K] and the gradient of the energies in the actions, [B, K, H, A].

    The gradient of the sum is each candidate's own gradient, since no candidate's energy depends on another's actions.
    Only the actions receive a gradient; the world model's parameters do not.

    Raises:
        ForethoughtError: the energy is not differentiable in the actions.
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


def require_finite_gradient(gradient: Tensor) -> None:
    """Check that a gradient [B, K, H, A] is finite.

    Raises:
        NonFiniteError: names the first episode and candidate whose gradient is not finite.
    """
    finite = torch.isfinite(gradient).flatten(2).all(2)
    if not bool(finite.all()):
        episode, candidate = (~finite).nonzero()[0].tolist()
        raise NonFiniteError(
            f"planning: the energy of episode {episode}, candidate {candidate} is finite, but its gradient is not; look for a "
            "root or a norm of zero in the cost or the model, or plan without gradients (another planner, gradient_steps = 0)."
        )


def adam_(actions: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, learning_rate: Tensor) -> None:
    """One Adam step in place (algorithm 1, in the order of section 2's last paragraph), with a learning rate [A].

    `step` counts from 1. The update is elementwise, so starts and episodes stay independent. `torch.optim.Adam` would give the
    same result, but its first step imports a compiler, which delays a decision by seconds.
    """
    first.lerp_(gradient, 1 - FIRST)
    second.mul_(SECOND).addcmul_(gradient, gradient, value=1 - SECOND)
    rate = learning_rate * math.sqrt(1 - SECOND**step) / (1 - FIRST**step)
    actions.sub_(first.div(second.sqrt().add_(EPSILON)).mul_(rate))
