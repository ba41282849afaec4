"""Gradient planning: follow the energy's slope through the world model, from many starts at once.

Axes: B episodes, K starts, H blocks, A numbers in a block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from forethought.actor.contract import Plan, Planner, PlanningProblem
from forethought.actor.gaussian import noise_for, sample_within, widest
from forethought.actor.search import Incumbent, first_population, require_kind
from forethought.errors import ForethoughtError

FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8
"""Adam's beta_1, beta_2 and epsilon, as published."""


@dataclass(frozen=True)
class GradientPlanner(Planner):
    """Projected Adam (Kingma and Ba, 1412.6980, algorithm 1) on the actions of many starts (the paper, p. 7).

    The given candidates are the first starts, random actions the others. Must not run under `torch.inference_mode`.

    Fields:
        horizon: H, in blocks. candidates: K starts. iterations: gradient steps.
        learning_rate: about how far a number of an action moves in one step, in normalised units.
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
        actions = self._starts(problem)
        first, second = torch.zeros_like(actions), torch.zeros_like(actions)
        incumbent = Incumbent(problem)
        for step in range(1, self.iterations + 1):
            states, energy, gradient = slope(problem, actions)
            incumbent.meet(actions, states, energy)
            adam_(actions, gradient, first, second, step, self.learning_rate)
            torch.clamp(actions, problem.low, problem.high, out=actions)
        incumbent.price(actions)
        return incumbent.plan()

    def _starts(self, problem: PlanningProblem) -> Tensor:
        starts, front = first_population(problem, self.horizon, self.candidates)
        if front < self.candidates:
            noise = noise_for(problem, self.horizon, self.candidates, self.correlation)
            sample_within(problem, widest(problem, self.horizon, self.noise), noise, starts[:, front:])
        return starts


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
                "differentiable (no detach, no no_grad), or set actor.planner to 'icem'."
            )
        (gradient,) = torch.autograd.grad(energy.sum(), leaf)
    return states.detach(), energy.detach(), gradient


def adam_(actions: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, learning_rate: float) -> None:
    """One Adam step in place (algorithm 1, in the order of section 2's last paragraph); `step` counts from 1.

    Elementwise, so that no start and no episode feels another. `torch.optim.Adam` would do the same, but its first step
    imports a compiler for seconds, in the middle of a decision.
    """
    first.lerp_(gradient, 1 - FIRST)
    second.mul_(SECOND).addcmul_(gradient, gradient, value=1 - SECOND)
    rate = learning_rate * math.sqrt(1 - SECOND**step) / (1 - FIRST**step)
    actions.addcdiv_(first, second.sqrt().add_(EPSILON), value=-rate)
