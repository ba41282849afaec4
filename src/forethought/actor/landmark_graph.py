"""Graph search over landmarks (SoRB, Eysenbach et al. 2019, 1906.05253): the level above level 1 without learned levels.

Nodes are states from the training data. Edges are the critic's distances between nearby nodes. A TD critic is accurate for
nearby pairs and inaccurate for distant ones, where it underestimates paths that were never taken. Sums of its distances along
chains of nearby pairs are accurate. All episodes must have the same layout: landmarks of another layout cannot be reached.

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
"""Number of candidates for the first landmark of a path: those closest in latent space."""
LONGEST = 100
"""Maximum number of waypoints in a path."""
NOWHERE = 1e6
"""Distance in blocks between states that no chain of edges connects."""


@dataclass(frozen=True)
class Aim:
    """Goals of B episodes, with their distances from the landmarks.

    Fields:
        goal: [B, D]. last: [B, M], length of the edge from each landmark to the goal, in blocks.
        total: [B, M], length of the shortest path from each landmark to the goal.
    """

    goal: Tensor
    last: Tensor
    total: Tensor


@dataclass(frozen=True)
class LandmarkRoute:
    """The shortest path of each of B episodes.

    Fields:
        subgoal: [B, D], the current waypoint: the last one on the path within `reach`, or the first one.
        stop: int64 [B], index of its landmark; M for the goal.
        stops: [B, P, D], the waypoints, then the goal, which is repeated up to the length of the longest path.
        energy: [B], length of the path to the goal in blocks, penalties included.
    """

    subgoal: Tensor
    stop: Tensor
    stops: Tensor
    energy: Tensor


class LandmarkGraph(nn.Module):
    """Shortest paths over landmarks.

    Attributes:
        landmarks: [M, D], states. edges: [M, M], blocks between nearby landmarks, `NOWHERE` otherwise and on the diagonal.
        lengths: [M, M], blocks along the shortest path. reach: the maximum length of an edge, in blocks.
        distance: blocks between two states, used up to `reach`.
    """

    landmarks: Tensor
    edges: Tensor
    lengths: Tensor

    def __init__(self, count: int, state_dim: int, reach: float, distance: Distance, metric: StateMetric | None = None) -> None:
        """Allocate M = `count` landmarks; `fit` selects them. `metric` pools states for nearest neighbors (None: vectors)."""
        super().__init__()
        self.metric = metric
        self.reach, self.distance = reach, distance
        self.register_buffer("landmarks", torch.zeros(count, state_dim))
        self.register_buffer("edges", torch.zeros(count, count))
        self.register_buffer("lengths", torch.zeros(count, count))

    @torch.no_grad()
    def fit(self, states: Tensor, places: Tensor) -> None:
        """Select landmarks by farthest-point sampling and compute the shortest paths between them.

        Args:
            states: [N, D], to select from. places: [N, Z], their embeddings, in a space with a meaningful Euclidean distance.

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
        """Distances from all landmarks to goals [B, D]; they do not depend on the state."""
        pairs = self.landmarks.expand(len(goal), -1, -1), goal[:, None].expand(-1, len(self.landmarks), -1)
        last = near(self.distance(*pairs), self.reach)
        return Aim(goal, last, torch.stack([(self.lengths + row).amin(1) for row in last]))

    def route(self, state: Tensor, aim: Aim, penalty: Tensor) -> LandmarkRoute:
        """The shortest path from states [B, D]; directly to the goal where no chain of edges leads there.

        Args:
            state: [B, D]. aim: the goals. penalty: [B, M + 1], penalties of the landmarks (the goal last) in blocks, for
                waypoints without progress.
        """
        rows, goal_index = torch.arange(len(state), device=state.device), len(self.landmarks)
        cost_to_go = aim.total + penalty[:, :-1]
        via_landmarks, node = self._enter(state, cost_to_go)
        direct = self.distance(state, aim.goal) + penalty[:, -1]
        arrived = (near(direct, self.reach) <= via_landmarks) | (via_landmarks >= NOWHERE)
        energy = torch.where(arrived, direct, via_landmarks)
        travelled = torch.where(arrived, direct, energy - cost_to_go[rows, node])
        stops = [torch.where(arrived[:, None], aim.goal, self.landmarks[node])]
        subgoal, stop = stops[0], torch.where(arrived, goal_index, node)
        for _ in range(min(LONGEST, goal_index)):
            if bool(arrived.all()):
                break
            via_next, following = (self.edges[node] + cost_to_go).min(1)
            final_edge = aim.last[rows, node] + penalty[:, -1]
            travelled = travelled + torch.where(
                arrived, 0.0, torch.where(final_edge <= via_next, final_edge, self.edges[node, following])
            )
            arrived = arrived | (final_edge <= via_next)
            node = following
            stops.append(torch.where(arrived[:, None], aim.goal, self.landmarks[node]))
            within = travelled <= self.reach
            subgoal = torch.where(within[:, None], stops[-1], subgoal)
            stop = torch.where(within, torch.where(arrived, goal_index, node), stop)
        # Penalties may cause a cycle in a path; the returned path still ends at the goal.
        return LandmarkRoute(subgoal, stop, torch.stack([*stops, aim.goal] if not bool(arrived.all()) else stops, 1), energy)

    def _enter(self, state: Tensor, cost_to_go: Tensor) -> tuple[Tensor, Tensor]:
        """Blocks to the goal over the best first landmark, [B], and its index; the critic is evaluated for the closest only."""
        query, keys = (x if self.metric is None else self.metric.pool(x) for x in (state, self.landmarks))
        close = torch.cdist(query, keys).topk(min(CLOSEST, len(self.landmarks)), largest=False).indices
        pairs = state[:, None].expand(-1, close.shape[1], -1), self.landmarks[close]
        via_landmarks, best = (near(self.distance(*pairs), self.reach) + cost_to_go.gather(1, close)).min(1)
        return via_landmarks, close.gather(1, best[:, None]).squeeze(1)


def near(blocks: Tensor, reach: float) -> Tensor:
    """Distances up to `reach`; `NOWHERE` for longer ones, where the critic is inaccurate."""
    return torch.where(blocks <= reach, blocks, NOWHERE)


def shortest_lengths(edges: Tensor) -> Tensor:
    """All-pairs shortest path lengths, [M, M] to [M, M] (Floyd-Warshall); 0 on the diagonal."""
    lengths = edges.clone().fill_diagonal_(0.0)
    for middle in range(len(edges)):
        torch.minimum(lengths, lengths[:, middle : middle + 1] + lengths[middle], out=lengths)
    return lengths.clamp_(max=NOWHERE)


def spread_out(points: Tensor, count: int) -> Tensor:
    """Farthest-point sampling: indices [count] of points [N, Z], each the farthest from all before it (Gonzalez 1985)."""
    chosen = [0]
    nearest = (points - points[0]).square().sum(-1)
    for _ in range(count - 1):
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (points - points[chosen[-1]]).square().sum(-1))
    return torch.tensor(chosen, device=points.device)
