"""The critic: temporal distance by TD on worlds whose distances are known, drives of the future, its contract."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from forethought.config import CodesConfig, ModelConfig
from forethought.cost import Imagined, check_cost
from forethought.cost.critic import (
    Critic,
    follow,
    future_cost_loss,
    logged_distance_loss,
    temporal_distance_loss,
)
from forethought.goals import StateGoal


def make(dim: int = 6, drives: int = 0, **settings: Any) -> Critic:
    torch.manual_seed(0)
    return Critic(dim, drives, ModelConfig.model_validate({"critic_hidden": 32} | settings))


def spearman(found: Tensor, true: Tensor) -> float:
    ranks = torch.stack([_ranks(found), _ranks(true)])
    return float(torch.corrcoef(ranks)[0, 1])


def _ranks(values: Tensor) -> Tensor:
    """Average ranks, so that ties count as ties."""
    below = (values[:, None] > values[None]).double().sum(1)
    same = (values[:, None] == values[None]).double().sum(1)
    return below + (same - 1) / 2


PLACES = 9
WORLDS = {
    "chain": [[max(i - 1, 0), min(i + 1, PLACES - 1)] for i in range(PLACES)],
    "ring": [[(i - 1) % PLACES, (i + 1) % PLACES] for i in range(PLACES)],
    "one-way ring": [[i, (i + 1) % PLACES] for i in range(PLACES)],
}


def true_distances(moves: list[list[int]]) -> Tensor:
    """Shortest paths between all places, by Floyd and Warshall."""
    distance = torch.full((PLACES, PLACES), float(PLACES))
    for here, reachable in enumerate(moves):
        distance[here, reachable] = 1.0
        distance[here, here] = 0.0
    for middle in range(PLACES):
        distance = torch.minimum(distance, distance[:, middle, None] + distance[None, middle])
    return distance


def learn(critic: Critic, moves: list[list[int]], embedding: Tensor, steps: int = 400) -> Tensor:
    """Distances [PLACES, PLACES] after TD on random moves and random goals."""
    generator = torch.Generator().manual_seed(1)
    table = torch.tensor(moves)
    critic.scale.fit(embedding)
    target = copy.deepcopy(critic)
    optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3)
    for _ in range(steps):
        now, goal = torch.randint(PLACES, (2, 128), generator=generator)
        following = table[now, torch.randint(2, (128,), generator=generator)]
        arrived = torch.stack([now == goal, following == goal], -1)
        loss = temporal_distance_loss(
            critic, target, embedding[now], embedding[following][:, None], embedding[goal], arrived, 0.1
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        follow(target, critic, 0.05)
    with torch.no_grad():
        pairs = torch.cartesian_prod(torch.arange(PLACES), torch.arange(PLACES))
        return critic.distance(embedding[pairs[:, 0]], embedding[pairs[:, 1]]).view(PLACES, PLACES)


@pytest.mark.parametrize("world", WORLDS)
def test_td_finds_the_true_distances_of_a_small_world(world: str) -> None:
    embedding = torch.eye(PLACES) if world == "chain" else torch.randn(PLACES, 8, generator=torch.Generator().manual_seed(2))
    found = learn(make(embedding.shape[1], discount=1.0), WORLDS[world], embedding)
    true = true_distances(WORLDS[world])
    assert spearman(found.flatten(), true.flatten()) > 0.95
    assert found.diagonal().max() < 0.5
    assert found[true == 1].mean().item() == pytest.approx(1, abs=0.4)
    if world == "one-way ring":
        assert found[1, 0] > found[0, 1] + 4, "distance is directed"


def test_the_loss_by_hand() -> None:
    critic = make(discount=0.5)
    target = copy.deepcopy(critic)
    with torch.no_grad():
        target.head[-1].bias.add_(1.0)
    states, following, goals = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))
    arrived = torch.tensor([[False, False], [True, False], [False, True], [True, True]])
    ahead, mine = target.distance(following, goals), critic.distance(states, goals)
    wanted = torch.stack([1 + 0.5 * ahead[0], torch.tensor(0.0), torch.tensor(1.0), torch.tensor(0.0)])
    error = wanted - mine
    expected = torch.where(error < 0, 0.8, 0.2) @ error.square() / 4
    loss = temporal_distance_loss(critic, target, states, following[:, None], goals, arrived, 0.2)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    assert all(parameter.grad is None for parameter in target.parameters())


def test_regression_on_logged_pairs_by_hand() -> None:
    critic = make(discount=0.5)
    now, goals = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(0))
    error = torch.tensor([0.0, 1.75, 0.0]) - critic.distance(now, goals)
    expected = torch.where(error < 0, 0.8, 0.2) * error.square()
    loss = logged_distance_loss(critic, now, goals, torch.tensor([0.0, 3.0, -2.0]), 0.2)
    assert loss.item() == pytest.approx((expected[0] + expected[1]).item() / 3, rel=1e-5), "an earlier goal counts for nothing"
    undiscounted = logged_distance_loss(make(discount=1.0), now[:1], goals[:1], torch.tensor([7.0]), 0.5)
    assert undiscounted.item() == pytest.approx(0.5 * (7 - critic.distance(now, goals)[0].item()) ** 2, rel=1e-4)


@pytest.mark.parametrize(("expectile", "low", "high"), [(0.1, 2.0, 3.6), (0.5, 5.5, 6.5), (0.9, 8.4, 10.0)])
def test_an_expectile_below_the_middle_pulls_below_the_mean(expectile: float, low: float, high: float) -> None:
    """From one state, half of the ways take 2 blocks and half take 10."""
    critic = make(2, discount=1.0)
    target = critic
    state, goal = torch.zeros(64, 2), torch.ones(64, 2)
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.03)

    class Known(Critic):
        def distance(self, states: Tensor, goals: Tensor, worst_case: bool = False) -> Tensor:
            return torch.tensor([1.0, 9.0]).repeat(32)[:, None]

    target = Known(2, 0, ModelConfig())
    for _ in range(150):
        loss = temporal_distance_loss(
            critic, target, state, state[:, None], goal, torch.zeros(64, 2, dtype=torch.bool), expectile
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert low < critic.distance(state, goal)[0].item() < high


def test_the_cost_of_imagined_states_is_their_distance() -> None:
    critic = make()
    critic.scale.fit(3 + 2 * torch.randn(50, 6))
    states, goal = torch.randn(2, 3, 4, 6), torch.randn(2, 6)
    imagined = Imagined(states, torch.zeros(2, 3, 4, 1))
    expected = critic.distance(states, goal[:, None, None].expand_as(states))
    assert torch.allclose(critic(imagined, StateGoal(goal)), expected, atol=1e-5)
    assert expected.min() >= 0


def test_the_critic_keeps_the_contract_of_costs() -> None:
    check_cost(make(8))


def test_a_target_follows_its_student() -> None:
    student, target = make(), make()
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(1.0)
    before = [parameter.clone() for parameter in target.parameters()]
    follow(target, student, 0.1)
    for old, slow, fast in zip(before, target.parameters(), student.parameters(), strict=True):
        assert torch.allclose(slow, 0.9 * old + 0.1 * fast, atol=1e-6)


def test_future_costs_are_learned_and_never_negative() -> None:
    critic = make(4, drives=2)
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(256, 4, generator=generator)
    assert critic.future_costs(states).shape == (256, 2)
    futures = torch.stack([states[:, 0].relu(), 2 * states[:, 1].abs()], -1)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    first = None
    for _ in range(100):
        loss = future_cost_loss(critic, states, futures)
        first = loss.item() if first is None else first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * first
    assert critic.future_costs(states).min() >= 0


def test_a_body_without_drives_has_no_head_for_them() -> None:
    assert not any(name.startswith("drives") for name in make().state_dict())
    with pytest.raises(AssertionError, match="no drives"):
        make().future_costs(torch.zeros(1, 6))


def test_chance_counts_with_its_mean_and_not_with_its_luck() -> None:
    """From one state, one action leads to 1 block or to 9: however low the expectile, the mean counts, and 1 for itself."""
    critic = make(2, discount=1.0)

    class Known(Critic):
        def distance(self, states: Tensor, goals: Tensor, worst_case: bool = False) -> Tensor:
            assert states.shape == goals.shape == (64, 2, 2)
            return torch.tensor([1.0, 9.0]).expand(64, 2)

    target = Known(2, 0, ModelConfig())
    state, goal = torch.zeros(64, 2), torch.ones(64, 2)
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.03)
    for _ in range(150):
        arrived = torch.zeros(64, 2, dtype=torch.bool)
        loss = temporal_distance_loss(critic, target, state, state[:, None].expand(-1, 2, -1), goal, arrived, 0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert critic.distance(state, goal)[0].item() == pytest.approx(6, abs=0.3)


def test_the_worst_case_distance() -> None:
    """As above, one action leads to 1 block or to 9: the worst-case distance counts 9; the plain one does not change."""
    critic = make(2, discount=1.0, latent=CodesConfig())

    class Known(Critic):
        def distance(self, states: Tensor, goals: Tensor, worst_case: bool = False) -> Tensor:
            assert worst_case
            return torch.tensor([1.0, 9.0]).expand(64, 2)

    target, state, goal = Known(2, 0, ModelConfig()), torch.zeros(64, 2), torch.ones(64, 2)
    plain, optimizer = critic.distance(state, goal).detach(), torch.optim.Adam(critic.parameters(), lr=0.03)
    for _ in range(200):
        arrived = torch.zeros(64, 2, dtype=torch.bool)
        loss = temporal_distance_loss(
            critic, target, state, state[:, None].expand(-1, 2, -1), goal, arrived, 0.05, worst_case=True
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert critic.distance(state, goal, worst_case=True)[0].item() == pytest.approx(10, abs=0.5)
    assert torch.equal(critic.distance(state, goal), plain)
    imagined = Imagined(state[:1, None, None], torch.zeros(1, 1, 1, 1), worst_case=True)
    assert critic(imagined, StateGoal(goal[:1])).item() == pytest.approx(
        critic.distance(state, goal, worst_case=True)[0].item(), rel=1e-5
    )
    certain = make(2)
    assert torch.equal(certain.distance(state, goal, worst_case=True), certain.distance(state, goal)), "one head serves both"
