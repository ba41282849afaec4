"""Ways over landmarks: shortest by an independent search, around walls that the distance does not see far enough."""

from __future__ import annotations

import heapq
import math

import pytest
import torch
from torch import Tensor

from forethought.actor.landmark_graph import LONGEST, NOWHERE, LandmarkGraph, near, shortest_lengths, spread_out
from forethought.errors import ForethoughtError


def straight(states: Tensor, goals: Tensor) -> Tensor:
    """Right about near pairs, blind to the wall between (5, 0..8) and the other side."""
    return (states - goals).norm(dim=-1) + 1e-3


def crosses(first: Tensor, second: Tensor) -> Tensor:
    """Whether the straight line between two points goes through the wall x = 5 below y = 8."""
    share = (5 - first[..., 0]) / (second[..., 0] - first[..., 0])
    height = first[..., 1] + share * (second[..., 1] - first[..., 1])
    return ((first[..., 0] < 5) != (second[..., 0] < 5)) & (height < 8)


def walled(states: Tensor, goals: Tensor) -> Tensor:
    """Near pairs know the wall; far pairs think that they can walk through it."""
    blocks = straight(states, goals)
    return torch.where(crosses(states, goals) & (blocks < 4), blocks + 10, blocks)


GRID = torch.stack(torch.meshgrid(torch.arange(11.0), torch.arange(11.0), indexing="ij"), -1).reshape(-1, 2) + 0.25
NO_BLAME = torch.zeros(1, len(GRID) + 1)


def graph() -> LandmarkGraph:
    made = LandmarkGraph(len(GRID), 2, reach=2.0, distance=walled)
    made.fit(GRID, GRID)
    return made


def by_dijkstra(edges: Tensor, start: int) -> list[float]:
    """Lengths of the shortest chains from one landmark, by another algorithm."""
    found, queue = [math.inf] * len(edges), [(0.0, start)]
    while queue:
        length, node = heapq.heappop(queue)
        if length < found[node]:
            found[node] = length
            for other, edge in enumerate(edges[node].tolist()):
                if edge < NOWHERE:
                    heapq.heappush(queue, (length + edge, other))
    return found


def test_all_lengths_are_shortest() -> None:
    generator = torch.Generator().manual_seed(0)
    edges = near(10 * torch.rand(40, 40, generator=generator), 2.0).fill_diagonal_(NOWHERE)
    lengths = shortest_lengths(edges)
    for start in (0, 7, 39):
        assert torch.allclose(lengths[start], torch.tensor(by_dijkstra(edges, start)).clamp(max=NOWHERE), atol=1e-4)


def test_landmarks_lie_far_apart() -> None:
    points = torch.cat([torch.zeros(50, 2) + 0.01 * torch.rand(50, 2), torch.tensor([[9.0, 0.0], [0.0, 9.0]])])
    assert {50, 51} < set(spread_out(points, 3).tolist())


def test_the_way_leads_round_the_wall() -> None:
    made = graph()
    state, goal = torch.tensor([[4.0, 1.0]]), torch.tensor([[6.5, 1.0]])
    route = made.route(state, made.aim(goal), NO_BLAME)
    around = 2 * math.hypot(1.2, 7) + 1
    assert around < route.energy.item() < 1.3 * around
    assert straight(state, goal).item() < 3, "as the crow flies it is near"
    way = torch.cat([state[:, None], route.stops], 1)[0]
    assert not crosses(way[:-1], way[1:]).any()
    assert torch.equal(way[-1], goal[0])
    assert way[:, 1].max() > 8
    assert (way.diff(dim=0).norm(dim=-1) <= 2).all()


def test_the_subgoal_is_the_last_stop_within_reach() -> None:
    made = graph()
    state, goal = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.3, 9.0]])
    route = made.route(state, made.aim(goal), NO_BLAME)
    gone = torch.cat([state, route.stops[0]]).diff(dim=0).norm(dim=-1).cumsum(0)
    last = int((gone <= made.reach).nonzero()[-1])
    assert torch.equal(route.subgoal[0], route.stops[0, last])
    assert torch.equal(made.landmarks[route.stop], route.subgoal)
    close = torch.tensor([[0.5, 0.9]])
    route = made.route(state, made.aim(close), NO_BLAME)
    assert torch.equal(route.subgoal, close)
    assert route.stop.item() == len(GRID), "the goal is the stop after all landmarks"


def test_episodes_do_not_share_their_ways() -> None:
    made = graph()
    generator = torch.Generator().manual_seed(0)
    states, goals = 10 * torch.rand(2, 20, 2, generator=generator)
    penalty = torch.rand(20, len(GRID) + 1, generator=generator)
    together = made.route(states, made.aim(goals), penalty)
    for row in range(20):
        one = slice(row, row + 1)
        alone = made.route(states[one], made.aim(goals[one]), penalty[one])
        assert torch.equal(alone.subgoal[0], together.subgoal[row])
        assert torch.allclose(alone.energy[0], together.energy[row])


def test_a_blamed_stop_is_gone_round() -> None:
    made = graph()
    state, goal = torch.tensor([[0.25, 0.25]]), torch.tensor([[0.25, 9.0]])
    first = made.route(state, made.aim(goal), NO_BLAME)
    penalty = NO_BLAME.clone()
    penalty[0, first.stop] = 5.0
    second = made.route(state, made.aim(goal), penalty)
    assert second.stop != first.stop
    assert not (second.stops[0] == first.subgoal[0]).all(-1).any()
    assert first.energy < second.energy < first.energy + 5


def test_a_way_in_a_circle_ends_at_the_goal_all_the_same() -> None:
    made = graph()
    state, goal = torch.tensor([[0.25, 0.25]]), torch.tensor([[0.25, 9.0]])
    penalty = torch.zeros(1, len(GRID) + 1)
    penalty[0, :-1][(GRID[:, 1] > 4) & (GRID[:, 1] < 7)] = 50.0
    route = made.route(state, made.aim(goal), penalty)
    assert torch.equal(route.stops[0, -1], goal[0])
    assert route.stops.shape[1] <= LONGEST + 2


def test_where_no_chain_leads_it_goes_straight() -> None:
    made = LandmarkGraph(2, 2, reach=2.0, distance=straight)
    made.fit(torch.tensor([[0.0, 0.0], [50.0, 0.0]]), torch.tensor([[0.0], [1.0]]))
    goal = torch.tensor([[30.0, 0.0]])
    route = made.route(torch.tensor([[1.0, 0.0]]), made.aim(goal), torch.zeros(1, 3))
    assert torch.equal(route.subgoal, goal)
    assert route.energy.item() == pytest.approx(29, abs=0.1)


def test_more_landmarks_than_rows_are_refused() -> None:
    with pytest.raises(ForethoughtError, match=r"model.hierarchy.landmarks is 5, but the training episodes have 3 rows"):
        LandmarkGraph(5, 2, 2.0, straight).fit(torch.zeros(3, 2), torch.zeros(3, 2))
