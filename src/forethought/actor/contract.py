"""What a planner sees and gives: one interface for every planner and every level of the hierarchy.

A planner knows nothing of pixels, encoders or worlds. It sees a start, a way to roll actions out, a cost, the actions'
bounds (or codes), its budget and one random stream per episode.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from forethought.actor.episode_rng import EpisodeGenerators

Rollout = Callable[[Tensor], Tensor]
"""actions [B, K, H, A] -> states [B, K, H, D], from the present context of each episode; [B, K, S, H, D] in S futures."""

Energy = Callable[[Tensor, Tensor], Tensor]
"""(states [B, K, (S,) H, D], actions [B, K, H, A]) -> energy of each candidate [B, K]; lower is better."""


@dataclass(frozen=True)
class PlanningProblem:
    """Everything that a planner may know.

    Fields:
        batch: B.
        rollout, energy: see `Rollout` and `Energy`; differentiable in the actions.
        low, high: [A], bounds of the normalised actions (continuous), elementwise.
        codes: None for continuous actions; else number of choices per step, `A = steps * codes`, one-hot per step.
        steps: environment steps in a block (noise is correlated within and across blocks).
        candidates: None, or [B, M, H, A] action sequences to try first (from memory, from Mode-1, from the last plan).
            They are brought within bounds (or to the nearest one-hot code) and count among the planner's own.
        streams: one random stream per episode.
    """

    batch: int
    rollout: Rollout
    energy: Energy
    low: Tensor
    high: Tensor
    codes: int | None
    steps: int
    candidates: Tensor | None
    streams: EpisodeGenerators


@dataclass(frozen=True)
class Plan:
    """What a planner chose, per episode.

    Fields:
        actions: [B, H, A] within bounds.
        states: [B, (S,) H, D], what the world model says they lead to.
        energy: [B], the energy of exactly these actions.
        calls: predictor calls spent per episode: one for each block of each candidate (and future) that was rolled out.
    """

    actions: Tensor
    states: Tensor
    energy: Tensor
    calls: int

    def put(self, rows: Tensor, found: Plan) -> None:
        """Episodes `rows` (int64) are to do as `found` says, in place; `calls` are left as they are."""
        for name in ("actions", "states", "energy"):
            getattr(self, name)[rows] = getattr(found, name)


class Planner(abc.ABC):
    """Searches for the action sequence of least energy. Stateless: warm starts come in as candidates.

    Every planner keeps these promises, and `check_planner` tests them: the plan is within bounds, costs no more than
    any given candidate, carries its own states and energy, and depends on its own episode alone.
    """

    horizon: int

    @abc.abstractmethod
    def plan(self, problem: PlanningProblem) -> Plan:
        """The cheapest plan found.

        Raises:
            NonFiniteError: a candidate's energy is NaN or infinite; says which episode and candidate.
        """


def shifted(actions: Tensor) -> Tensor:
    """The last plan as a warm start one block later, [..., H, A]: its first block has been acted, its last is held on."""
    return torch.cat([actions[..., 1:, :], actions[..., -1:, :]], dim=-2)


def no_grad_candidate(problem: PlanningProblem, actions: Tensor) -> tuple[Tensor, Tensor]:
    """States and energy of given actions [B, K, H, A], outside autograd: ([B, K, H, D], [B, K])."""
    with torch.no_grad():
        states = problem.rollout(actions)
        return states, problem.energy(states, actions)
