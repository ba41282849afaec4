"""Plans that wait and see: what is done late may hang on what will have been seen by then.

A sequence of actions is the same in all its futures. Where a gate may turn out shut, such a plan goes on against it, though one
would turn round: going there looks worse than it is, and so does every look at what is left open. A plan that waits and sees is
a tree (the scenario tree of stochastic programming; Birge and Louveaux 2011, chapter 2): a trunk, and from where its futures
look different on a branch for each group of them that looks alike.

Axes: as in `trunks.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from forethought.actor.contract import Branches, Plan, Planner, PlanningProblem
from forethought.actor.elite_archive import DiverseEliteArchive
from forethought.actor.sampling_search import Incumbent, cheapest
from forethought.actor.scenario_tree import SharedPrefixes, pick

LONG = 2
"""Trunks whose tails are searched, after the tails of all have been sorted out by what is at hand; the others are pruned."""
STARTS = 4
"""Of what is at hand, how many tails the search begins with."""


@dataclass(frozen=True)
class ContingencyPlanner(Planner):
    """Another planner, and then branches for a handful of what it met, where they make it cheaper.

    Nothing that is not seen yet is known: branches differ only between futures that look different, and what comes then is
    drawn for each group of them in full (see `trunks.py`). The tree is never dearer than the planner's own plan.

    Fields:
        horizon: H, the planner's. planner: searches for plans. tails: searches for how they go on, with less effort.
        branches: groups of futures that are planned for by themselves, at most (2 or more).
    """

    horizon: int
    planner: Planner
    tails: Planner
    branches: int

    def plan(self, problem: PlanningProblem) -> Plan:
        """The planner's own plan, or a cheaper one that branches."""
        if problem.forks is None:
            alone = self.planner.plan(problem)
            return replace(alone, branches=Branches.one(alone.actions, alone.states, self.branches + 1))
        handful = DiverseEliteArchive(problem, problem.forks)
        found = self.planner.plan(replace(problem, energy=handful.energy))
        whole = _whole(found, self.branches)
        # Streams of its own: where no episode's futures part nothing is drawn, and none must notice that another's do.
        apart = replace(problem, streams=problem.streams.fork())
        with torch.no_grad():
            trunks = SharedPrefixes.of(apart, problem.forks, handful.actions(), self.branches)
            looked = replace(whole, calls=whole.calls + found.states.shape[1] * trunks.actions.shape[1:3].numel())
            grown = self._grow(trunks) if bool(trunks.parted().any()) else []
        return cheapest_tree(looked, *grown)

    def _grow(self, trunks: SharedPrefixes) -> list[ContingencyPlans]:
        """With the best tails at hand for all trunks, and with searched ones for the best of these."""
        groups = trunks.places.shape[2]
        others = trunks.actions[:, None, None].expand(-1, trunks.actions.shape[1], groups, -1, -1, -1)
        problem = trunks.problem_of_tails(torch.cat([others, trunks.recalled()], 3))
        assert problem.candidates is not None
        incumbent = Incumbent(problem)
        energy = incumbent.price(problem.candidates)
        rough = _trees(trunks, incumbent.plan())
        best = rough.energy.topk(min(LONG, rough.energy.shape[1]), 1, largest=False).indices
        starts = cheapest(problem.candidates, energy, STARTS)[0].unflatten(0, trunks.places.shape[:3])
        kept = trunks.some(best)
        return [rough, _trees(kept, self.tails.plan(kept.problem_of_tails(pick(starts, best))))]


@dataclass(frozen=True)
class ContingencyPlans:
    """T contingent plans per episode, priced.

    Fields:
        after: int64 [B, T], blocks after which they branch; H where they don't. group: int64 [B, T, S], each future's branch.
        options: [B, T, G + 1, H, A], each branch's actions. states: [B, T, G + 1, S, H, D]. energy: [B, T].
        calls: predictor calls spent on all of them, per episode.
    """

    after: Tensor
    group: Tensor
    options: Tensor
    states: Tensor
    energy: Tensor
    calls: int


def _whole(found: Plan, groups: int) -> ContingencyPlans:
    """A plan that goes one way in all of its futures."""
    batch, count, horizon = found.states.shape[:3]
    group = torch.full((batch, 1, count), groups, device=found.actions.device)
    options = found.actions[:, None, None].expand(-1, 1, groups + 1, -1, -1)
    after = torch.full_like(group[..., 0], horizon)
    states = found.states[:, None, None].expand(-1, 1, groups + 1, -1, -1, -1)
    return ContingencyPlans(after, group, options, states, found.energy[:, None], found.calls)


def _trees(trunks: SharedPrefixes, found: Plan) -> ContingencyPlans:
    """Trunks with the tails that a search has found for each group of their futures."""
    tails = found.actions.unflatten(0, trunks.places.shape[:3])
    states, energy = trunks.price(tails)
    spent = found.calls * tails.shape[1:3].numel() + states.shape[1:-1].numel()
    return ContingencyPlans(trunks.parting.after, trunks.parting.group, trunks.options(tails), states, energy, spent)


def cheapest_tree(*trees: ContingencyPlans) -> Plan:
    """The cheapest of all, the first of equals, as a plan."""
    best = torch.cat([each.energy for each in trees], 1).argmin(1, keepdim=True)
    names = ("after", "group", "options", "states", "energy")
    joined = (torch.cat([getattr(each, name) for each in trees], 1) for name in names)
    after, group, options, states, energy = (pick(values, best).squeeze(1) for values in joined)
    ways = torch.arange(options.shape[1], device=group.device)
    odds, order = (group[:, None] == ways[:, None]).float().mean(-1).sort(stable=True, dim=-1, descending=True)
    # A future in the middle of its branch stands for it.
    paths = states.flatten(3)
    middle = torch.cdist(paths, paths).sum(-1).argmin(-1)
    expected = torch.take_along_dim(states, middle[:, :, None, None, None], 2).squeeze(2)
    branches = Branches(after, odds, pick(options, order), pick(expected, order))
    mine = torch.take_along_dim(states, group[:, None, :, None, None], 1).squeeze(1)
    return Plan(branches.actions[:, 0], mine, energy, sum(each.calls for each in trees), branches)
