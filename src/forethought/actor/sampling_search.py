"""The loop of all sampling planners: sample, roll out, evaluate, update. The plan is the cheapest candidate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from forethought.actor.contract import Plan, PlanningProblem, no_grad_candidate
from forethought.errors import ForethoughtError, NonFiniteError

Proposal = TypeVar("Proposal")
ROWS_AT_ONCE = 1024
"""Candidates of all episodes that a thread of a CPU rolls out together: what they need stays in its cache, and the allocator
reuses it (a larger block goes back to the system at each layer, and its pages are zeroed again)."""


class Incumbent:
    """The cheapest candidate so far in each episode, and the predictor calls spent; used within one call of `plan`."""

    def __init__(self, problem: PlanningProblem) -> None:
        """Without a candidate."""
        self._problem = problem
        self._plan: Plan | None = None
        self._rows = torch.arange(problem.batch, device=problem.low.device)

    def evaluate(self, actions: Tensor) -> Tensor:
        """Roll out and evaluate actions [B, K, H, A] outside autograd, keep the best, return the energies [B, K].

        Raises:
            NonFiniteError: an energy is NaN or infinite.
        """
        energies = []
        for part in actions.split(_candidates_at_once(actions), dim=1):
            states, energy = no_grad_candidate(self._problem, part)
            self._keep(part, states, energy)
            energies.append(energy)
        energy = energies[0] if len(energies) == 1 else torch.cat(energies, dim=1)
        require_finite(energy)
        return energy

    def update(self, actions: Tensor, states: Tensor, energy: Tensor) -> Tensor:
        """Keep the best of evaluated candidates: [B, K, H, A], [B, K, (S,) H, D], [B, K]; returns the energies.

        Raises:
            NonFiniteError: an energy is NaN or infinite.
        """
        require_finite(energy)
        self._keep(actions, states, energy)
        return energy

    def _keep(self, actions: Tensor, states: Tensor, energy: Tensor) -> None:
        """The best of these and of those before; of equal ones the first."""
        calls = states.shape[1:-1].numel()
        best = energy.argmin(dim=1)
        plan = Plan(actions[self._rows, best], states[self._rows, best], energy[self._rows, best], calls)
        self._plan = plan if self._plan is None else _cheaper(self._plan, plan)

    def plan(self) -> Plan:
        """The cheapest candidate."""
        assert self._plan is not None, "plan() was called before any candidate was evaluated"
        return self._plan


def _candidates_at_once(actions: Tensor) -> int:
    """How many of the candidates [B, K, H, A] are rolled out together: all on a GPU; on a CPU even parts of `ROWS_AT_ONCE` or
    fewer in each thread.
    """
    batch, count = actions.shape[:2]
    rows = ROWS_AT_ONCE * torch.get_num_threads()
    parts = 1 if actions.device.type != "cpu" else math.ceil(batch * count / rows)
    return math.ceil(count / max(parts, 1))


def _cheaper(old: Plan, new: Plan) -> Plan:
    """The cheaper of two plans in each episode; calls are summed."""
    better = new.energy < old.energy

    def choose(new_value: Tensor, old_value: Tensor) -> Tensor:
        return torch.where(better.view(-1, *[1] * (new_value.dim() - 1)), new_value, old_value)

    return Plan(
        actions=choose(new.actions, old.actions),
        states=choose(new.states, old.states),
        energy=choose(new.energy, old.energy),
        calls=old.calls + new.calls,
    )


def require_finite(energy: Tensor) -> None:
    """Check that the energies of a population [B, K] are finite.

    Raises:
        NonFiniteError: names the first episode and candidate whose energy is not finite.
    """
    finite = torch.isfinite(energy)
    if not bool(finite.all()):
        episode, candidate = (~finite).nonzero()[0].tolist()
        raise NonFiniteError(
            f"planning: the energy of episode {episode}, candidate {candidate} is {energy[episode, candidate].item()}; "
            "check the observation for NaN, and whether the world model or a cost has diverged."
        )


def first_population(problem: PlanningProblem, horizon: int, count: int) -> tuple[Tensor, int]:
    """A buffer for the largest population that starts with the given candidates: ([B, max(count, M), H, A], M).

    Raises:
        ForethoughtError: the shape of the candidates is not [B, M, H, A].
    """
    size = problem.low.shape[-1]
    given = problem.candidates
    if given is None:
        return problem.low.new_empty(problem.batch, count, horizon, size), 0
    if given.dim() != 4 or (given.shape[0], *given.shape[2:]) != (problem.batch, horizon, size):
        raise ForethoughtError(
            f"planning: candidates have shape {tuple(given.shape)}, but must be [B, M, H, A] = "
            f"[{problem.batch}, any, {horizon}, {size}]; cut or pad them to the planner's horizon."
        )
    front = given.shape[1]
    population = problem.low.new_empty(problem.batch, max(count, front), horizon, size)
    population[:, :front] = given.to(population)
    if problem.codes is None:
        population[:, :front].clamp_(problem.low, problem.high)
    else:
        codes = torch.unflatten(population[:, :front], -1, (problem.steps, problem.codes))
        population[:, :front] = one_hot(codes.argmax(dim=-1), problem.codes).to(population)
    return population, front


def one_hot(choices: Tensor, codes: int) -> Tensor:
    """Choices [..., steps] to blocks of one-hot vectors [..., steps * codes]."""
    return torch.nn.functional.one_hot(choices, codes).flatten(-2)


def search(
    problem: PlanningProblem,
    horizon: int,
    sizes: Sequence[int],
    proposal: Proposal,
    sample: Callable[[Proposal, int, Tensor], None],
    update: Callable[[Proposal, Tensor, Tensor], Proposal],
    answer: Callable[[Proposal], Tensor] | None = None,
) -> Plan:
    """Sample from a proposal, roll out and evaluate all episodes and candidates at once, update the proposal.

    Args:
        problem: the planning problem; its candidates come first in the first population.
        horizon: H.
        sizes: number of candidates in each iteration; fewer, or fewer iterations, if the problem's timer says so.
        proposal: the first sampling distribution.
        sample: (proposal, iteration, out [B, K, H, A]) fills `out` in place, within bounds.
        update: (proposal, actions [B, K, H, A], energy [B, K]) -> next proposal. The next iteration
            overwrites the memory of the actions: keep copies.
        answer: the final estimate [B, H, A] of the last proposal, evaluated at the end; None for nothing.
    """
    population, front = first_population(problem, horizon, max(sizes))
    incumbent = Incumbent(problem)
    timer, rest = problem.timer, 0 if answer is None else 1
    for iteration, size in enumerate(sizes):
        num_given = front if iteration == 0 else 0
        count = max(size, num_given)
        if timer is not None and (count := timer.candidates(count, len(sizes) - iteration + rest)) == 0:
            return incumbent.plan()
        candidates = population[:, :count]
        if num_given < count:
            sample(proposal, iteration, candidates[:, num_given:])
        proposal = update(proposal, candidates, incumbent.evaluate(candidates))
        if timer is not None:
            timer.done(count)
    if answer is not None and (timer is None or timer.candidates(1, 1)):
        incumbent.evaluate(answer(proposal)[:, None])
        if timer is not None:
            timer.done(1)
    return incumbent.plan()


def cheapest(actions: Tensor, energy: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` cheapest candidates, cheapest first: [B, K, H, A], [B, K] -> [B, count, H, A], [B, count]."""
    lowest, index = energy.topk(min(count, energy.shape[1]), dim=1, largest=False, sorted=True)
    return torch.take_along_dim(actions, index[:, :, None, None], dim=1), lowest


def require_effort(planner: str, candidates: int, elites: int) -> None:
    """Check that there are no more elites than candidates.

    Raises:
        ForethoughtError: there are more elites.
    """
    if elites > candidates:
        raise ForethoughtError(f"{planner}: elites = {elites} is more than candidates = {candidates}; lower elites.")


def require_kind(planner: str, problem: PlanningProblem, discrete: bool) -> None:
    """Check that the planner supports the kind of actions.

    Raises:
        ForethoughtError: discrete actions for a continuous planner, or continuous actions for a discrete one.
    """
    if (problem.codes is not None) != discrete:
        have, use = ("continuous", "icem") if discrete else ("discrete", "categorical")
        raise ForethoughtError(f"planner '{planner}' cannot plan {have} actions; set planner.search.kind to '{use}'.")
