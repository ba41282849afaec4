"""Plans of several levels, changed together: one descent on the sum of their energies (H-JEPA, 2610.06805, section 4).

Axes: B episodes, K candidates, S futures, H steps, one each of a level's own; D numbers in its state, A in its action.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from forethought.actor.contract import Plan, PlanningProblem
from forethought.actor.gradient import descend

Energies = Callable[[Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]]
"""States [B, K, (S,) H, D] and actions [B, K, H, A] of each level -> energies [B, K] of each, which may hang on all of them."""


@dataclass(frozen=True)
class JointProblem:
    """Several levels' problems of the same episodes.

    Fields:
        problems: level by level; their rollouts and bounds count, their own energies don't.
        dims: D of each level. energies: what the plans cost, given all of them.
    """

    problems: Sequence[PlanningProblem]
    dims: Sequence[int]
    energies: Energies

    def as_one(self) -> PlanningProblem:
        """The problem whose actions and states are those of all levels side by side, and whose energy is the sum."""
        low, high = (torch.cat([getattr(problem, end) for problem in self.problems]) for end in ("low", "high"))
        return replace(self.problems[0], rollout=self._rollout, energy=self._sum, low=low, high=high)

    def descend(self, starts: Sequence[Tensor], steps: int, learning_rate: float) -> list[Plan]:
        """Each level's plan [B, H, A] where the sum is least, on a way downhill from `starts`, these included.

        Raises:
            NonFiniteError: a sum or its gradient is NaN or infinite; says which episode.
        """
        found = descend(self.as_one(), torch.cat(list(starts), -1)[:, None], steps, learning_rate)
        actions, states = self._apart(found.actions), found.states.split(list(self.dims), -1)
        with torch.no_grad():
            costs = self.energies([each[:, None] for each in states], [each[:, None] for each in actions])
        parts = zip(actions, states, costs, strict=True)
        return [Plan(mine, there, cost[:, 0], found.calls) for mine, there, cost in parts]

    def _apart(self, actions: Tensor) -> Sequence[Tensor]:
        return list(actions.split([len(problem.low) for problem in self.problems], -1))

    def _rollout(self, actions: Tensor) -> Tensor:
        each = zip(self.problems, self._apart(actions), strict=True)
        return torch.cat([problem.rollout(mine) for problem, mine in each], -1)

    def _sum(self, states: Tensor, actions: Tensor) -> Tensor:
        costs = self.energies(states.split(list(self.dims), -1), self._apart(actions))
        return torch.stack(list(costs)).sum(0)
