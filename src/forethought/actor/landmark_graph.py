"""The highest level as a graph: remembered states are its nodes, the critic's near distances its edges.

A critic that learns by TD is right about near pairs and wrong about far ones: it sees shortcuts where nobody ever went. Summed
along a chain of near pairs, the same critic's distances are right (SoRB, Eysenbach et al. 2019, 1906.05253). All episodes
must be of one layout: a state remembered from another one is nowhere in this.

Axes: B episodes, M landmarks, D numbers in a state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from forethought.errors import ForethoughtError
from forethought.states import StateMetric

Distance = Callable[[Tensor, Tensor], Tensor]
"""States [..., D] and goals [..., D] to blocks [...]."""
CLOSEST = 64
"""Landmarks that may come first on a way: those with the closest states."""
LONGEST = 100
"""Stops on a way, at most."""
NOWHERE = 1e6
"""Blocks to where no chain of near pairs leads."""


@dataclass(frozen=True)
class Aim:
    """Goals of B episodes, as seen from the landmarks.

    Fields: goal: [B, D]. last: [B, M], blocks straight from each landmark to the goal. total: [B, M], along the shortest way.
    """

    goal: Tensor
    last: Tensor
    total: Tensor


@dataclass(frozen=True)
class LandmarkRoute:
    """The way of each of B episodes.

    Fields:
        subgoal: [B, D], where to go now: the last stop on the way within `reach`, or the first one.
        stop: int64 [B], which landmark that is; M for the goal.
        stops: [B, P, D], the landmarks on the way, then the goal, repeated up to the longest way's length.
        energy: [B], blocks to the goal along the way, blame included.
    """

    subgoal: Tensor
    stop: Tensor
    stops: Tensor
    energy: Tensor


class LandmarkGraph(nn.Module):
    """Shortest ways over landmarks.

    Attributes:
        landmarks: [M, D], states. edges: [M, M], blocks between near ones, `NOWHERE` between others and on the diagonal.
        lengths: [M, M], blocks along the shortest chain. reach: the longest edge, in blocks.
        distance: blocks between two states, trusted up to `reach`.
    """

    landmarks: Tensor
    edges: Tensor
    lengths: Tensor

    def __init__(self, count: int, state_dim: int, reach: float, distance: Distance, metric: StateMetric | None = None) -> None:
        """Room for M landmarks; `fit` chooses them. `metric` pools states, to see which are close (None: vectors)."""
        super().__init__()
        self.metric = metric
        self.reach, self.distance = reach, distance
        self.register_buffer("landmarks", torch.zeros(count, state_dim))
        self.register_buffer("edges", torch.zeros(count, count))
        self.register_buffer("lengths", torch.zeros(count, count))

    @torch.no_grad()
    def fit(self, states: Tensor, places: Tensor) -> None:
        """Choose states that lie far apart, and find the shortest chains of near pairs between them.

        Args:
            states: [N, D], to choose from. places: [N, Z], where they lie, in a space where distances compare.

        Raises:
            ForethoughtError: fewer states than landmarks.
        """
        count = len(self.landmarks)
        if len(states) < count:
            raise ForethoughtError(
                f"model.hierarchy.landmarks is {count}, but the training episodes have {len(states)} rows: lower it."
            )
        self.landmarks.copy_(states[spread_out(places, count)])
        rows = [self.distance(one.expand(count, -1), self.landmarks) for one in self.landmarks]
        self.edges.copy_(near(torch.stack(rows), self.reach).fill_diagonal_(NOWHERE))
        self.lengths.copy_(shortest_lengths(self.edges))

    def aim(self, goal: Tensor) -> Aim:
        """What there is to know about goals [B, D] before any state is seen."""
        pairs = self.landmarks.expand(len(goal), -1, -1), goal[:, None].expand(-1, len(self.landmarks), -1)
        last = near(self.distance(*pairs), self.reach)
        return Aim(goal, last, torch.stack([(self.lengths + row).amin(1) for row in last]))

    def route(self, state: Tensor, aim: Aim, blame: Tensor) -> LandmarkRoute:
        """The shortest way from states [B, D]; straight to the goal where no chain leads there.

        Args:
            state: [B, D]. aim: where to. blame: [B, M + 1], blocks that a landmark costs (the goal last) after the agent headed
                for it in vain.
        """
        rows, goal_stop = torch.arange(len(state), device=state.device), len(self.landmarks)
        onward = aim.total + blame[:, :-1]
        around, node = self._enter(state, onward)
        direct = self.distance(state, aim.goal) + blame[:, -1]
        there = (near(direct, self.reach) <= around) | (around >= NOWHERE)
        energy = torch.where(there, direct, around)
        gone = torch.where(there, direct, energy - onward[rows, node])
        stops = [torch.where(there[:, None], aim.goal, self.landmarks[node])]
        subgoal, stop = stops[0], torch.where(there, goal_stop, node)
        for _ in range(min(LONGEST, goal_stop)):
            if bool(there.all()):
                break
            ahead, following = (self.edges[node] + onward).min(1)
            straight = aim.last[rows, node] + blame[:, -1]
            gone = gone + torch.where(there, 0.0, torch.where(straight <= ahead, straight, self.edges[node, following]))
            there = there | (straight <= ahead)
            node = following
            stops.append(torch.where(there[:, None], aim.goal, self.landmarks[node]))
            within = gone <= self.reach
            subgoal = torch.where(within[:, None], stops[-1], subgoal)
            stop = torch.where(within, torch.where(there, goal_stop, node), stop)
        # Blame may send a way in a circle; what is shown of it still ends at the goal.
        return LandmarkRoute(subgoal, stop, torch.stack([*stops, aim.goal] if not bool(there.all()) else stops, 1), energy)

    def _enter(self, state: Tensor, onward: Tensor) -> tuple[Tensor, Tensor]:
        """Blocks to the goal over the best first landmark, [B], and which that is; the critic hears of the closest only."""
        seen, known = (each if self.metric is None else self.metric.pool(each) for each in (state, self.landmarks))
        close = torch.cdist(seen, known).topk(min(CLOSEST, len(self.landmarks)), largest=False).indices
        pairs = state[:, None].expand(-1, close.shape[1], -1), self.landmarks[close]
        around, place = (near(self.distance(*pairs), self.reach) + onward.gather(1, close)).min(1)
        return around, close.gather(1, place[:, None]).squeeze(1)


def near(blocks: Tensor, reach: float) -> Tensor:
    """Distances that can be trusted, and `NOWHERE` for the others."""
    return torch.where(blocks <= reach, blocks, NOWHERE)


def shortest_lengths(edges: Tensor) -> Tensor:
    """All pairs' shortest chains, [M, M] to [M, M] (Floyd and Warshall); 0 on the diagonal."""
    lengths = edges.clone().fill_diagonal_(0.0)
    for middle in range(len(edges)):
        torch.minimum(lengths, lengths[:, middle : middle + 1] + lengths[middle], out=lengths)
    return lengths.clamp_(max=NOWHERE)


def spread_out(points: Tensor, count: int) -> Tensor:
    """Indices [count] of points [N, Z] that lie far apart: each next one is the farthest from all before (Gonzalez 1985)."""
    chosen = [0]
    nearest = (points - points[0]).square().sum(-1)
    for _ in range(count - 1):
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (points - points[chosen[-1]]).square().sum(-1))
    return torch.tensor(chosen, device=points.device)
