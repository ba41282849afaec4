"""Plans up to where their futures part, and what it is worth to go on from there in one way or another.

A branch must not hang on chance that nobody has seen yet, and the few futures that look alike at the parting may happen to go
the same way later, too. So each group is imagined in S futures again: up to the parting with the chance of its own ones, in
turn, and then with that of all. Whatever comes late is as likely in each group as in the whole.

Axes: B episodes, T trunks, G groups of futures that look alike, K tails, S futures, H blocks, A numbers in a block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from forethought.actor.contract import Forks, PlanningProblem
from forethought.actor.sampling_search import require_finite
from forethought.actor.scenario_clustering import ScenarioSplit, cluster_scenarios

RECALLED = 8
"""Remembered sequences that are tried for each group, the first."""


@dataclass(frozen=True)
class SharedPrefixes:
    """T plans per episode, which from their parting on may be exchanged for a tail in each group of futures.

    Fields:
        problem, forks: what is planned; the problem's streams are those of the search for tails.
        actions: [B, T, H, A], the whole plans. parting: when and how their futures part.
        places: [B, T, G, D], where one future of each group is by then.
        chance: [B, T, G + 1, S, H, numbers], of each group's futures; the last for those of no group.
    """

    problem: PlanningProblem
    forks: Forks
    actions: Tensor
    parting: ScenarioSplit
    places: Tensor
    chance: Tensor

    @staticmethod
    def of(problem: PlanningProblem, forks: Forks, actions: Tensor, groups: int) -> SharedPrefixes:
        """Look where the futures of plans [B, T, H, A] part, into so many groups at most; T * S * H predictor calls."""
        states = problem.rollout(actions)
        parting, drawn = cluster_scenarios(states, forks.visible, groups), forks.futures.chance
        member = _members(parting)
        seen = torch.take_along_dim(states, (parting.after - 1)[:, :, None, None, None], 3).squeeze(3)
        places = torch.take_along_dim(seen, member[:, :, :groups, :1], 2)
        lived = torch.take_along_dim(drawn[:, None, None], member[..., None, None], 3)
        later = torch.arange(actions.shape[2], device=drawn.device) >= parting.after[..., None]
        chance = torch.where(later[:, :, None, None, :, None], drawn[:, None, None], lived)
        return SharedPrefixes(problem, forks, actions, parting, places, chance)

    def some(self, index: Tensor) -> SharedPrefixes:
        """The trunks int64 [B, T'] alone."""
        parting = ScenarioSplit(pick(self.parting.after, index), pick(self.parting.group, index), self.parting.groups)
        actions, places, chance = (pick(values, index) for values in (self.actions, self.places, self.chance))
        return SharedPrefixes(self.problem, self.forks, actions, parting, places, chance)

    def parted(self) -> Tensor:
        """Bool [B, T], whether anything is left to be chosen once the futures look different."""
        return self.parting.after < self.actions.shape[2]

    def with_tails(self, tails: Tensor) -> Tensor:
        """The trunk up to the parting, and then the tail, [B, T, G, K, H, A] to the same."""
        later = torch.arange(tails.shape[-2], device=tails.device) >= self.parting.after[..., None]
        return torch.where(later[:, :, None, None, :, None], tails, self.actions[:, :, None, None])

    def recalled(self) -> Tensor:
        """What was once done from the places where the futures part, begun there, [B, T, G, M, H, A]; M is 0 without memory."""
        lead, horizon = self.places.shape[:3], self.actions.shape[2]
        if self.forks.recall is None:
            return self.actions.new_empty(*lead, 0, *self.actions.shape[2:])
        since = (torch.arange(horizon, device=self.actions.device) - self.parting.after[..., None]).clamp_min(0)
        found = self.forks.recall(self.places.flatten(0, 2))[:, :RECALLED].unflatten(0, lead)
        begun: Tensor = torch.take_along_dim(found, since[:, :, None, None, :, None], 4)
        return begun

    def problem_of_tails(self, tails: Tensor) -> PlanningProblem:
        """The search for each group's tail, as one problem of B * T * G episodes; `tails` [B, T, G, K, H, A] are tried first.

        What is planned there is as long as a plan, and of it the blocks from the parting on count.
        """
        lead, count = self.places.shape[:3], self.chance.shape[3]
        rows = [row for row in range(lead[0]) for _ in range(lead[1] * lead[2])]

        def whole(actions: Tensor) -> Tensor:
            each = self.with_tails(actions.unflatten(0, lead)).flatten(1, 3)
            return each[:, :, None].expand(-1, -1, count, -1, -1)

        def rollout(actions: Tensor) -> Tensor:
            tried = actions.shape[1]
            chance = self.chance[:, :, :-1, None].expand(-1, -1, -1, tried, -1, -1, -1).flatten(1, 3)
            states: Tensor = self.forks.rollout(whole(actions), chance).unflatten(1, (-1, tried)).flatten(0, 1)
            return states

        def energy(states: Tensor, actions: Tensor) -> Tensor:
            futures = states.unflatten(0, (lead[0], -1)).flatten(1, 2)
            energies = self.forks.energies(futures, whole(actions))
            return self.forks.futures.weigh(energies).view(actions.shape[:2])

        streams = self.problem.streams.subset(rows)
        return replace(
            self.problem, batch=len(rows), rollout=rollout, energy=energy, streams=streams, candidates=tails.flatten(0, 2)
        )

    def price(self, tails: Tensor) -> tuple[Tensor, Tensor]:
        """Go on in each group by its tail, and elsewhere as planned.

        Each future counts with all S of its group, so that S * S are equally likely. It takes T * (G + 1) * S * H predictor
        calls.

        Args:
            tails: [B, T, G, H, A].

        Returns:
            States [B, T, G + 1, S, H, D] and energies [B, T]; infinite where a trunk's futures never part.

        Raises:
            NonFiniteError: a trunk's energy is NaN or infinite.
        """
        each = self.options(tails)[:, :, :, None].expand(-1, -1, -1, self.chance.shape[3], -1, -1).flatten(1, 2)
        states = self.forks.rollout(each, self.chance.flatten(1, 2))
        energies = self.forks.energies(states, each).unflatten(1, self.chance.shape[1:3])
        energy = self.forks.futures.weigh(torch.take_along_dim(energies, self.parting.group[..., None], 2).flatten(2))
        require_finite(energy)
        return states.unflatten(1, self.chance.shape[1:3]), torch.where(self.parted(), energy, torch.inf)

    def options(self, tails: Tensor) -> Tensor:
        """What may come to be done: each group's branch, and last the plan itself, [B, T, G, H, A] to [B, T, G + 1, H, A]."""
        branches = self.with_tails(tails[:, :, :, None]).squeeze(3)
        return torch.cat([branches, self.actions[:, :, None]], 2)


def pick(values: Tensor, index: Tensor) -> Tensor:
    """Of each episode the items int64 [B, T'], [B, T, ...] to [B, T', ...]."""
    return torch.take_along_dim(values, index.view(*index.shape, *[1] * (values.dim() - 2)), 1)


def _members(parting: ScenarioSplit) -> Tensor:
    """For each of S draws, whose past it has: its group's futures in turn, int64 [B, T, G + 1, S]; last, those of none."""
    groups = torch.arange(parting.groups + 1, device=parting.group.device)
    inside = parting.group[:, :, None] == groups[:, None]
    first = (~inside).to(torch.uint8).argsort(stable=True)
    turn = torch.arange(inside.shape[-1], device=groups.device) % inside.sum(-1, keepdim=True).clamp_min(1)
    members: Tensor = first.gather(-1, turn)
    return members
