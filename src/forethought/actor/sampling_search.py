"""The loop that all sampling planners share: sample, imagine, price, update. The cheapest ever seen is the plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from forethought.actor.contract import Plan, PlanningProblem, no_grad_candidate
from forethought.errors import ForethoughtError, NonFiniteError

Proposal = TypeVar("Proposal")


class Incumbent:
    """The cheapest actions met so far in each episode, and the predictor calls spent; lives for one call of `plan`."""

    def __init__(self, problem: PlanningProblem) -> None:
        """Nothing met yet."""
        self._problem = problem
        self._plan: Plan | None = None
        self._rows = torch.arange(problem.batch, device=problem.low.device)

    def price(self, actions: Tensor) -> Tensor:
        """Imagine and price actions [B, K, H, A] outside autograd, remember the best, return their energies [B, K]."""
        return self.meet(actions, *no_grad_candidate(self._problem, actions))

    def meet(self, actions: Tensor, states: Tensor, energy: Tensor) -> Tensor:
        """Remember the best of candidates already imagined: [B, K, H, A], [B, K, (S,) H, D], [B, K]; returns the energies.

        Raises:
            NonFiniteError: an energy is NaN or infinite.
        """
        require_finite(energy)
        spent = states.shape[1:-1].numel()
        best = energy.argmin(dim=1)
        found = Plan(actions[self._rows, best], states[self._rows, best], energy[self._rows, best], spent)
        self._plan = found if self._plan is None else _cheaper(self._plan, found)
        return energy

    def plan(self) -> Plan:
        """The cheapest met."""
        assert self._plan is not None, "plan() before any candidate was met"
        return self._plan


def _cheaper(old: Plan, new: Plan) -> Plan:
    """Episode by episode the cheaper of two plans; calls add up."""
    better = new.energy < old.energy

    def choose(ours: Tensor, theirs: Tensor) -> Tensor:
        return torch.where(better.view(-1, *[1] * (ours.dim() - 1)), ours, theirs)

    return Plan(
        actions=choose(new.actions, old.actions),
        states=choose(new.states, old.states),
        energy=choose(new.energy, old.energy),
        calls=old.calls + new.calls,
    )


def require_finite(energy: Tensor) -> None:
    """One check for a whole population [B, K].

    Raises:
        NonFiniteError: names the first episode and candidate whose energy is not finite.
    """
    finite = torch.isfinite(energy)
    if not bool(finite.all()):
        episode, candidate = (~finite).nonzero()[0].tolist()
        raise NonFiniteError(
            f"planning: the energy of episode {episode}, candidate {candidate} is {energy[episode, candidate].item()}; "
            "look for NaN in the observation, or a world model or cost that has diverged."
        )


def first_population(problem: PlanningProblem, horizon: int, count: int) -> tuple[Tensor, int]:
    """Room for the largest population, with the given candidates in front: ([B, max(count, M), H, A], M).

    Raises:
        ForethoughtError: the candidates have another shape than [B, M, H, A].
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
    """Choices [..., steps] as blocks of one-hot vectors [..., steps * codes]."""
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
    """Sample from a proposal, imagine all episodes and candidates in one rollout, price them, update the proposal.

    Args:
        problem: what to plan; its candidates take the first places of the first population.
        horizon: H.
        sizes: how many candidates to imagine in each iteration.
        proposal: the first sampling distribution.
        sample: (proposal, iteration, out [B, K, H, A]) fills `out` in place, within bounds.
        update: (proposal, actions [B, K, H, A], energy [B, K]) -> next proposal. The actions' memory is used again
            in the next iteration: keep copies.
        answer: the last proposal's own best guess [B, H, A], priced at the end; None if it has none.
    """
    population, front = first_population(problem, horizon, max(sizes))
    incumbent = Incumbent(problem)
    for iteration, size in enumerate(sizes):
        given = front if iteration == 0 else 0
        members = population[:, : max(size, given)]
        if given < size:
            sample(proposal, iteration, members[:, given:])
        proposal = update(proposal, members, incumbent.price(members))
    if answer is not None:
        incumbent.price(answer(proposal)[:, None])
    return incumbent.plan()


def cheapest(actions: Tensor, energy: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` cheapest candidates, cheapest first: [B, K, H, A], [B, K] -> [B, count, H, A], [B, count]."""
    kept, index = energy.topk(min(count, energy.shape[1]), dim=1, largest=False, sorted=True)
    return torch.take_along_dim(actions, index[:, :, None, None], dim=1), kept


def require_effort(planner: str, candidates: int, elites: int) -> None:
    """Refuse more elites than candidates.

    Raises:
        ForethoughtError: with both numbers.
    """
    if elites > candidates:
        raise ForethoughtError(f"{planner}: elites = {elites} is more than candidates = {candidates}; lower elites.")


def require_kind(planner: str, problem: PlanningProblem, discrete: bool) -> None:
    """Refuse actions of the wrong kind.

    Raises:
        ForethoughtError: discrete actions for a continuous planner, or the other way round.
    """
    if (problem.codes is not None) != discrete:
        have, use = ("continuous", "icem") if discrete else ("discrete", "categorical")
        raise ForethoughtError(f"planner '{planner}' cannot plan {have} actions; set planner.search.kind to '{use}'.")
