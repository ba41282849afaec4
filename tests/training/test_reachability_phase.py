"""The phase of distances: what it teaches, what it leaves alone, and that a key in hand is worth the way to it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import tiny
from forethought.agent_networks import AgentNetworks
from forethought.configurator import configure
from forethought.cost.reachability import ReachabilityLoss
from forethought.training import reachability_phase
from forethought.training.encoded_dataset import EncodedDataset, encode_store
from forethought.training.reachability_phase import NEAREST, DistancesPhase, draw_pairs, nearest_rows
from forethought.training.train import levels_phases

LENGTH, DOOR, ROWS = 20, 10, 41
"""A line of places; who is beyond the door must have come by the key, which lies at 0. Rows of a walk."""


def state(place: Tensor, key: Tensor) -> Tensor:
    """[..., 16]: the place, and a key in hand as a faint trace."""
    seen = torch.cat([3 * place[..., None] / LENGTH, 0.1 * key[..., None], place.new_zeros(*place.shape, 14)], -1)
    mixing, _ = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(1)))
    return seen @ mixing


def walks(count: int) -> EncodedDataset:
    """From one random place to the next, as far as the door lets one."""
    generator = torch.Generator().manual_seed(0)

    def anywhere() -> Tensor:
        return torch.randint(0, LENGTH + 1, (count,), generator=generator).float()

    place, target = anywhere(), anywhere()
    key = (torch.rand(count, generator=generator) < 0.5) | (place > DOOR)
    rows = []
    for _ in range(ROWS):
        rows.append(state(place, key.float()))
        there = (place == target) | (torch.rand(count, generator=generator) < 0.08)
        target = torch.where(there, anywhere(), target)
        ahead = place + (target - place).sign()
        place = torch.where((ahead > DOOR) & ~key, place, ahead)
        key = key | (place == 0)
    states = torch.stack(rows, 1).flatten(0, 1)
    starts, lengths = ROWS * torch.arange(count), torch.full((count,), ROWS - 1)
    return EncodedDataset(states, states, torch.zeros(len(states), 10), torch.zeros(len(states), 0), starts, lengths)


def phase(data: EncodedDataset) -> DistancesPhase:
    store = tiny.long_store()
    shared = {
        "model.hierarchy.levels": 2,
        "model.hierarchy.encoder": "shared",
        "model.hierarchy.hidden": 64,
        "training.distances_batch": 256,
    }
    config = configure(store.spec, store.block, store.statistics(), overrides=tiny.SMALL | tiny.LEVELS | shared)
    made = DistancesPhase(AgentNetworks(config), config, lambda: data, tiny.no_luck(data))
    for stage in made.stages:
        stage.reachability.scale.fit(data.states)
    made.start()
    return made


def test_a_key_in_hand_is_worth_the_way_to_it() -> None:
    made = phase(walks(200))
    tiny.learn(made, 400)
    places, keys = torch.tensor([9.0, 9.0, 4.0, 4.0]), torch.tensor([0.0, 1.0, 0.0, 1.0])
    goals = state(torch.tensor([12.0, 12.0, 15.0, 15.0]), torch.ones(4))
    with torch.no_grad():
        found = made.stages[0].reachability.distance(state(places, keys), goals)
    true = torch.tensor([9.0 + 12, 3, 4 + 15, 11])
    assert torch.allclose(found, true, rtol=0.6), found
    assert found[0] > 4 * found[1], "a faint trace in the state, eighteen places in the world"
    assert found[0] > found[2], "away from the key, for all that the goal is nearer"


def test_pairs_are_of_one_episode_and_as_far_apart_as_they_say() -> None:
    data = walks(7)
    pairs = draw_pairs(data, tiny.no_luck(data)(), 500, torch.Generator().manual_seed(0))
    assert torch.equal(pairs.later - pairs.rows, pairs.gap)
    assert torch.equal(pairs.rows // ROWS, pairs.later // ROWS)
    assert pairs.gap.min() == 1
    assert (pairs.others // ROWS == pairs.rows // ROWS).float().mean() < 0.7
    assert 0.2 < pairs.alike.float().mean() < 0.4


def test_what_looks_most_alike_is_found_among_the_pool_and_is_not_the_row_itself() -> None:
    states, pool = torch.randn(200, 5, generator=torch.Generator().manual_seed(0)), torch.arange(0, 200, 2)
    found = nearest_rows(states, pool)
    assert found.shape == (200, NEAREST)
    apart = torch.cdist(states, states)
    for row in (0, 1, 77, 198):
        others = pool[pool != row]
        wanted = others[apart[row, others].topk(NEAREST, largest=False).indices]
        assert set(found[row].tolist()) == set(wanted.tolist())
    assert torch.equal(nearest_rows(states[:3], torch.arange(3)).sort(1).values, torch.tensor([[1, 2], [0, 2], [0, 1]]))


def test_what_looks_alike_is_pushed_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability_phase, "POOL", 300)
    data, seen = walks(40), []
    made = phase(data)
    assert len(made.nearest[0].unique()) <= 300
    again = phase(data)
    assert torch.equal(made.nearest[0], again.nearest[0]), "the same pool in every process"
    plain = ReachabilityLoss.forward
    monkeypatch.setattr(ReachabilityLoss, "forward", lambda self, *given: seen.append(given) or plain(self, *given))
    made.step(0, torch.Generator().manual_seed(3))
    _, here, _, _, far = seen[0]
    pairs = draw_pairs(data, tiny.no_luck(data)(), made.batch, torch.Generator().manual_seed(3))
    assert torch.equal(here, made.states[0][pairs.rows])
    rows = torch.nonzero(pairs.alike).squeeze(1)
    near = made.states[0][made.nearest[0][pairs.rows[rows]]]
    assert (near == far[rows, None]).all(-1).any(1).all(), "one of the nearest few"
    rest = ~pairs.alike
    assert torch.equal(far[rest], made.states[0][pairs.others[rest]])


def test_nothing_but_the_heads_learns() -> None:
    agent, store = tiny.three_level_agent(), tiny.long_store()
    modules = agent.modules.requires_grad_(True)
    states = encode_store(agent.modules.world_model, store, store.train, agent.body)
    before = {name: value.clone() for name, value in modules.state_dict().items()}
    made = DistancesPhase(modules, agent.configuration, lambda: states, tiny.no_luck(states))
    made.start()
    tiny.learn(made, 3)
    changed = {name for name, value in modules.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(".reachability." in name for name in changed)


def test_distances_are_learned_last_of_what_is_above() -> None:
    agent = tiny.three_level_agent()
    names = [each.name for each in levels_phases(agent.modules, agent.configuration, walks_of_none)]
    assert names == ["levels", "distances"]
    assert levels_phases(tiny.rooms_agent().modules, tiny.rooms_agent().configuration, walks_of_none) == []


def walks_of_none() -> EncodedDataset:
    raise AssertionError("nothing is encoded before a phase begins")
