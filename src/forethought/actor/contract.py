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
from forethought.actor.risk import Scenarios

Rollout = Callable[[Tensor], Tensor]
"""actions [B, K, H, A] -> states [B, K, H, D], from the present context of each episode; [B, K, S, H, D] in S futures."""

Energy = Callable[[Tensor, Tensor], Tensor]
"""(states [B, K, (S,) H, D], actions [B, K, H, A]) -> energy of each candidate [B, K]; lower is better."""


@dataclass(frozen=True)
class Forks:
    """What a planner may know where a plan may go on in one way in some of its futures, and otherwise in others.

    Fields:
        futures: the chance that all candidates share, and what counts of their energies.
        rollout: actions [B, K, S, H, A], a sequence of its own in each future, and chance [B, K, S, H, numbers] to states
            [B, K, S, H, D].
        energies: states [B, K, S, H, D] and actions [B, K, S, H, A] to what each future costs, [B, K, S].
        visible: two states are told apart where they are further apart than this (mean squared difference).
        recall: states [N, D] to sequences [N, M, H, A] that were once good from there; None where nothing is remembered.
    """

    futures: Scenarios
    rollout: Callable[[Tensor, Tensor], Tensor]
    energies: Callable[[Tensor, Tensor], Tensor]
    visible: float
    recall: Callable[[Tensor], Tensor] | None


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
        forks: how a plan may go on differently in its S futures; None where it has one future.
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
    forks: Forks | None = None


@dataclass(frozen=True)
class Branches:
    """The ways in which a plan goes on, each for what will have been seen by then; the likeliest first, of N.

    Fields:
        after: int64 [B], blocks after which they part; H where the plan is one for all futures.
        odds: [B, N], how likely it is that each is taken; they sum to 1, and there may be zeros.
        actions: [B, N, H, A], alike until they part. states: [B, N, H, D], what is to be expected in each.
    """

    after: Tensor
    odds: Tensor
    actions: Tensor
    states: Tensor

    @staticmethod
    def one(actions: Tensor, states: Tensor, count: int) -> Branches:
        """A plan [B, H, A] with its states [B, H, D] that goes one way, as the first of `count`."""
        odds = torch.eye(count, device=actions.device)[0].expand(len(actions), -1).clone()
        after = torch.full((len(actions),), actions.shape[1], device=actions.device)
        each = (values[:, None].repeat(1, count, 1, 1) for values in (actions, states))
        return Branches(after, odds, *each)


@dataclass(frozen=True)
class Plan:
    """What a planner chose, per episode.

    Fields:
        actions: [B, H, A] within bounds; where there are branches, those of the likeliest.
        states: [B, (S,) H, D], what the world model says they lead to; in each future by its own branch.
        energy: [B], the energy of exactly these actions, or of the branches.
        calls: predictor calls spent per episode: one for each block of each candidate (and future) that was rolled out.
        branches: how it goes on, by what will have been seen; None from planners of sequences.
    """

    actions: Tensor
    states: Tensor
    energy: Tensor
    calls: int
    branches: Branches | None = None

    def ways(self) -> Tensor:
        """All that it may come to do, [B, N, H, A]; N is 1 without branches."""
        return self.actions[:, None] if self.branches is None else self.branches.actions

    def put(self, rows: Tensor, found: Plan) -> None:
        """Episodes `rows` (int64) are to do as `found` says, in place; `calls` are left as they are."""
        for name in ("actions", "states", "energy"):
            getattr(self, name)[rows] = getattr(found, name)
        if self.branches is not None:
            for name in ("after", "odds", "actions", "states"):
                getattr(self.branches, name)[rows] = getattr(found.branches, name)


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
