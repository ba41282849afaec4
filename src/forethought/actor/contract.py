"""Input and output of planners: one interface for every planner and every level of the hierarchy.

A planner does not depend on pixels, encoders or worlds. Its input is a rollout function, a cost, the bounds (or codes) of
actions, first candidates and one random generator per episode.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from forethought.actor.deadline import SearchTimer
from forethought.actor.episode_rng import EpisodeGenerators

Rollout = Callable[[Tensor], Tensor]
"""actions [B, K, H, A] -> states [B, K, H, D], from the present context of each episode; [B, K, S, H, D] with S scenarios."""

Energy = Callable[[Tensor, Tensor], Tensor]
"""(states [B, K, (S,) H, D], actions [B, K, H, A]) -> energy of each candidate [B, K]; lower is better."""


@dataclass(frozen=True)
class PlanningProblem:
    """The input of a planner.

    Fields:
        batch: B.
        rollout, energy: see `Rollout` and `Energy`; differentiable in the actions.
        low, high: [A], bounds of the normalised actions (continuous), elementwise.
        codes: None for continuous actions; else number of choices per step, `A = steps * codes`, one-hot per step.
        steps: environment steps in a block (noise is correlated within and across blocks).
        candidates: None, or [B, M, H, A] first candidates (from memory, from Mode-1, from the last plan). They are
            clipped to the bounds (or replaced by the nearest one-hot code) and count as the planner's own samples.
        streams: one random generator per episode.
        timer: says how many candidates fit before the deadline of the decision; None without one. A planner that does not
            ask it is not bounded.
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
    timer: SearchTimer | None = None


@dataclass(frozen=True)
class Plan:
    """The output of a planner, per episode.

    Fields:
        actions: [B, H, A] within bounds.
        states: [B, (S,) H, D], predicted by the world model.
        energy: [B], the energy of exactly these actions.
        calls: predictor calls spent per episode: one for each block of each candidate (and scenario) that was rolled out.
    """

    actions: Tensor
    states: Tensor
    energy: Tensor
    calls: int

    def put(self, rows: Tensor, plan: Plan) -> None:
        """Replace the plans of episodes `rows` (int64) by those of `plan`, in place; `calls` stays unchanged."""
        for name in ("actions", "states", "energy"):
            getattr(self, name)[rows] = getattr(plan, name)


class Planner(abc.ABC):
    """Searches for the action sequence of least energy. Stateless: warm starts come in as candidates.

    The contract, which `check_planner` tests: the plan is within bounds, costs no more than any given candidate, has the
    states and the energy of its own actions, and depends only on its own episode. With a timer, the last of the given
    candidates may be left out.
    """

    horizon: int

    @abc.abstractmethod
    def plan(self, problem: PlanningProblem) -> Plan:
        """The cheapest plan found.

        Raises:
            NonFiniteError: a candidate's energy is NaN or infinite; names the episode and the candidate.
        """


def shifted(actions: Tensor) -> Tensor:
    """The last plan as a warm start one block later, [..., H, A]: without its first block, with its last block repeated."""
    return torch.cat([actions[..., 1:, :], actions[..., -1:, :]], dim=-2)


def no_grad_candidate(problem: PlanningProblem, actions: Tensor) -> tuple[Tensor, Tensor]:
    """States and energy of given actions [B, K, H, A], outside autograd: ([B, K, H, D], [B, K])."""
    with torch.no_grad():
        states = problem.rollout(actions)
        return states, problem.energy(states, actions)
