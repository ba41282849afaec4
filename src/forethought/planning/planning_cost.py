"""What a plan costs at one level: its terms and their weights, the goal, and penalties; a value that can be printed and tested.

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
    """Imagined states far from all memory are out of distribution: the predictor is free to dream there.

    Fields:
        distance: states [..., D] to how far they lie beyond memory, [...]; 0 within it. weight: of its mean over the path.
    """

    distance: Callable[[Tensor], Tensor]
    weight: float

    def __call__(self, states: Tensor) -> Tensor:
        """States [R, K, H, D] to [R, K]."""
        return self.weight * self.distance(states).mean(-1)


@dataclass(frozen=True)
class FailedPlanPenalty:
    """A plan that failed before, from a place like this one, costs more.

    Fields:
        memory: of all B episodes. weight: [R], of one failure. present: [R, D], where the episodes are. rows: int64 [R], which
            of the B they are.
    """

    memory: FailedPlanMemory
    weight: Tensor
    present: Tensor
    rows: Tensor

    def __call__(self, states: Tensor) -> Tensor:
        """States [R, K, H, D] to [R, K]; the first step of a plan tells which plan it is."""
        return self.weight[:, None] * self.memory.cost(self.present, states[:, :, 0], self.rows)


@dataclass(frozen=True)
class PlanningCost:
    """The cost that a level's plans are searched by, for R episodes with one future for each candidate.

    Fields:
        terms: the costs that there are. weights: which of them count, and how the path is summed up.
        goal: of R episodes: the task's, or a subgoal of the level above, in the space of the level that set it.
        worst_case: what comes after the plan is judged as if chance decided for the worse (see `Imagined.wary`).
        ood, failed_plans: penalties; None for nothing.
        task_goal: what costs of one's own judge by (`Weights.extra`) while a subgoal leads; None for `goal`.
    """

    terms: Composition
    weights: Weights
    goal: EncodedGoal
    worst_case: bool = False
    ood: OODPenalty | None = None
    failed_plans: FailedPlanPenalty | None = None
    task_goal: EncodedGoal | None = None

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """What candidates cost: states [R, K, H, D] and actions [R, K, H, A] to [R, K]."""
        total = self._composed(states, actions).total
        for penalty in (self.ood, self.failed_plans):
            total = total if penalty is None else total + penalty(states)
        return total

    def breakdown(self, states: Tensor, actions: Tensor) -> dict[str, Tensor]:
        """The same by term and penalty, [R, K] each; they sum to the cost."""
        parts = dict(self._composed(states, actions).terms)
        penalties = {"ood": self.ood, "failed_plans": self.failed_plans}
        return parts | {name: penalty(states) for name, penalty in penalties.items() if penalty is not None}

    def __str__(self) -> str:
        """In a line: every weight that counts."""
        weights = {**self.weights.task, **self.weights.extra, **self.weights.intrinsic}
        parts = [f"{weight:g} * {name}" for name, weight in weights.items() if weight]
        if self.ood is not None:
            parts.append(f"{self.ood.weight:g} * ood")
        if self.failed_plans is not None:
            parts.append(f"{float(self.failed_plans.weight.max()):g} * failed_plans")
        path = f"{self.weights.path:g} * mean over the path + {self.weights.final:g} * its end"
        return f"{' + '.join(parts)}; {path}; goal {self.goal}{', worst case' if self.worst_case else ''}"

    def _composed(self, states: Tensor, actions: Tensor) -> Energies:
        imagined = Imagined(states, actions, wary=self.worst_case)
        energies: Energies = self.terms(imagined, self.goal, self.weights, self.task_goal)
        return energies
