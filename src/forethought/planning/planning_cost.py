"""The cost of plans at one level, as a printable object: weighted terms, goal and penalties.

Axes: R episodes that are planned for, K candidates, H steps of the level, D numbers in its state, A in its action.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from forethought.cost.composition import Composition, Energies, Weights
from forethought.cost.contract import Imagined
from forethought.goals import EncodedGoal
from forethought.memory import FailedPlanMemory


@dataclass(frozen=True)
class OODPenalty:
    """Penalty on imagined states far from the training data, where the predictor is unreliable.

    Fields:
        distance: states [..., D] to their OOD distance, [...]; 0 in distribution. weight: of its mean over the path.
    """

    distance: Callable[[Tensor], Tensor]
    weight: float

    def __call__(self, states: Tensor) -> Tensor:
        """States [R, K, H, D] to [R, K]."""
        return self.weight * self.distance(states).mean(-1)


@dataclass(frozen=True)
class FailedPlanPenalty:
    """Penalty on plans that failed before in a state similar to the present one.

    Fields:
        memory: of all B episodes. weight: [R], of one failure. present: [R, D], the present states. rows: int64 [R], their
            indices among the B episodes.
    """

    memory: FailedPlanMemory
    weight: Tensor
    present: Tensor
    rows: Tensor

    def __call__(self, states: Tensor) -> Tensor:
        """States [R, K, H, D] to [R, K]; plans are compared by their first state."""
        return self.weight[:, None] * self.memory.cost(self.present, states[:, :, 0], self.rows)


@dataclass(frozen=True)
class PlanningCost:
    """The objective of a level's search, for R episodes with one future per candidate.

    Fields:
        terms: all costs. weights: of the terms, and of the running and the terminal cost.
        goal: of R episodes: the task's goal, or a subgoal in the state space of the level that set it.
        worst_case: whether the terminal value is the worst case over the latent variable (see `Imagined.worst_case`).
        ood, failed_plans: penalties; None for none.
        task_goal: goal of user-defined costs (`Weights.extra`) while the agent follows a subgoal; None for `goal`.
    """

    terms: Composition
    weights: Weights
    goal: EncodedGoal
    worst_case: bool = False
    ood: OODPenalty | None = None
    failed_plans: FailedPlanPenalty | None = None
    task_goal: EncodedGoal | None = None

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """Costs of candidates: states [R, K, H, D] and actions [R, K, H, A] to [R, K]."""
        total = self._composed(states, actions).total
        for penalty in (self.ood, self.failed_plans):
            total = total if penalty is None else total + penalty(states)
        return total

    def breakdown(self, states: Tensor, actions: Tensor) -> dict[str, Tensor]:
        """The cost by term and penalty, [R, K] each; they sum to the cost."""
        parts = dict(self._composed(states, actions).terms)
        penalties = {"ood": self.ood, "failed_plans": self.failed_plans}
        return parts | {name: penalty(states) for name, penalty in penalties.items() if penalty is not None}

    def __str__(self) -> str:
        """One line with all weights above 0."""
        weights = {**self.weights.task, **self.weights.extra, **self.weights.intrinsic}
        parts = [f"{weight:g} * {name}" for name, weight in weights.items() if weight]
        if self.ood is not None:
            parts.append(f"{self.ood.weight:g} * ood")
        if self.failed_plans is not None:
            parts.append(f"{float(self.failed_plans.weight.max()):g} * failed_plans")
        path = f"{self.weights.path:g} * mean over the path + {self.weights.final:g} * its end"
        path += f" + {self.weights.nearest:g} * its least" if self.weights.nearest else ""
        return f"{' + '.join(parts)}; {path}; goal {self.goal}{', worst case' if self.worst_case else ''}"

    def _composed(self, states: Tensor, actions: Tensor) -> Energies:
        imagined = Imagined(states, actions, worst_case=self.worst_case)
        energies: Energies = self.terms(imagined, self.goal, self.weights, self.task_goal)
        return energies
