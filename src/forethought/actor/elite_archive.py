"""A diverse handful of the candidates that a search meets: where plans that wait and see may begin."""

from __future__ import annotations

import torch
from torch import Tensor

from forethought.actor.contract import Forks, PlanningProblem
from forethought.actor.scenario_clustering import cluster_scenarios

PER_SCENARIO_ELITES = 4
"""In how many of the futures the best candidate is kept."""


class DiverseEliteArchive:
    """T candidates per episode, each the best in one respect; lives for one search.

    The cheapest of all; the cheapest in each of a few futures (what one would do if one knew; that tells where to begin, never
    what it is worth); the cheapest whose futures part after 1, 2, ... blocks (a look may be worth a detour that pays in no
    future).
    """

    def __init__(self, problem: PlanningProblem, forks: Forks) -> None:
        """Nothing met yet; `problem` is the one that is searched, with these forks."""
        self._forks = forks
        self._lucks = min(PER_SCENARIO_ELITES, forks.futures.chance.shape[1])
        self._found: tuple[Tensor, Tensor] | None = None

    def energy(self, states: Tensor, actions: Tensor) -> Tensor:
        """The problem's energy of candidates, [B, K, S, H, D] and [B, K, H, A] to [B, K], which are remembered."""
        each = self._forks.energies(states, actions[:, :, None].expand(-1, -1, states.shape[2], -1, -1))
        total = self._forks.futures.weigh(each)
        self._meet(states.detach(), actions.detach(), each.detach(), total.detach())
        return total

    def actions(self) -> Tensor:
        """[B, T, H, A], the cheapest of all first; where nobody was the best in some respect, it stands in."""
        assert self._found is not None, "actions() before any candidate was met"
        actions, score = self._found
        return torch.where(score.isfinite()[:, :, None, None], actions, actions[:, :1])

    def _meet(self, states: Tensor, actions: Tensor, each: Tensor, total: Tensor) -> None:
        horizon = states.shape[3]
        after = cluster_scenarios(states, self._forks.visible, 2).after[..., None]
        parts = torch.where(after == torch.arange(1, horizon, device=after.device), total[..., None], torch.inf)
        score, best = torch.cat([total[..., None], each[..., : self._lucks], parts], -1).min(1)
        chosen = torch.take_along_dim(actions, best[:, :, None, None], 1)
        if self._found is not None:
            better = score < self._found[1]
            chosen = torch.where(better[:, :, None, None], chosen, self._found[0])
            score = torch.minimum(score, self._found[1])
        self._found = (chosen, score)
