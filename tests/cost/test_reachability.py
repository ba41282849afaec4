"""The quasimetric: its promises hold untrained, and what it learns is the way round."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from forethought.cost import check_cost
from forethought.cost.contract import Imagined
from forethought.cost.reachability import TOLERANCE, Reachability, ReachabilityLoss
from forethought.goals import StateGoal

D = 6


def reach() -> Reachability:
    torch.manual_seed(0)
    return Reachability(D, hidden=64)


def test_it_keeps_the_promises_of_every_cost() -> None:
    check_cost(reach(), state_dim=D, action_dim=2)


def test_it_is_a_quasimetric_before_it_has_learned_anything() -> None:
    far = reach()
    a, b, c = 3 * torch.randn(3, 500, D)
    assert torch.allclose(far.distance(a, a), torch.zeros(500), atol=1e-5)
    assert (far.distance(a, b) >= 0).all()
    assert (far.distance(a, c) <= far.distance(a, b) + far.distance(b, c) + 1e-4).all()
    assert (far.distance(a, b) - far.distance(b, a)).abs().mean() > 1e-3, "there and back may differ"


def test_union_of_intervals_by_hand() -> None:
    """[0, 2] and [1, 3] cover 3; [5, 5] nothing; [8, 9] one more: 4 in all."""
    far = reach()
    start, goal = torch.full((2, 16, 8), 5.0)
    start[:, :3], goal[:, :3] = torch.tensor([1.0, 8.0, 0.0]), torch.tensor([3.0, 9.0, 2.0])
    assert far.between(start, goal).item() == 4.0
    assert far.between(goal, start).item() == 0.0


def test_a_path_is_priced_step_by_step() -> None:
    far, states, goal = reach(), torch.randn(2, 3, 4, D), torch.randn(2, D)
    blocks = far(Imagined(states, torch.zeros(2, 3, 4, 1)), StateGoal(goal))
    assert blocks.shape == (2, 3, 4)
    assert torch.allclose(blocks[1, 2, 3], far.distance(states[1, 2, 3], goal[1]))


def corridor(places: Tensor) -> Tensor:
    """A U-shaped way of length 20 folded into the plane, its ends 1 apart; two more numbers are always alike."""
    along = places.clamp(0, 20)
    x = torch.where(along < 10, along, 20 - along)
    y = (along >= 10).float()
    return torch.stack([x / 5, y, y * 0, y * 0, y * 0, y * 0], -1)


def test_it_learns_the_way_round_from_short_stretches() -> None:
    """Walks of 6 at most, over a U: its ends lie 1 apart in the plane and 20 apart on the way. No walk ever saw both."""
    far, loss = reach(), ReachabilityLoss()
    optimizer = torch.optim.Adam(far.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        start = 20 * torch.rand(256, generator=generator)
        gap = 1 + 5 * torch.rand(256, generator=generator)
        way = torch.where(torch.rand(256, generator=generator) < 0.5, 1.0, -1.0)
        later = start + way * gap
        later = torch.where((later < 0) | (later > 20), start - way * gap, later).clamp(0, 20)
        others = 20 * torch.rand(256, generator=generator)
        total = loss(far, corridor(start), corridor(later), gap, corridor(others))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    ends = far.distance(corridor(torch.tensor([0.0])), corridor(torch.tensor([20.0]))).item()
    step = far.distance(corridor(torch.tensor([4.0])), corridor(torch.tensor([7.0]))).item()
    assert ends > 4 * step > 0, (ends, step)
    assert 1.5 < step < 4.5


def test_the_price_of_breaking_what_was_logged_rises_and_falls() -> None:
    far, loss = reach(), ReachabilityLoss()
    here, there = torch.zeros(8, D), 5 * torch.randn(8, D)
    apart = far.distance(here, there).detach()
    loss(far, here, there, 0.5 * apart, there)
    assert loss.lagrange_multiplier.item() > 1, "distances of twice what was logged"
    before = copy.deepcopy(loss.lagrange_multiplier)
    loss(far, here, there, 2 * apart, there)
    assert loss.lagrange_multiplier < before
    assert TOLERANCE > 0
