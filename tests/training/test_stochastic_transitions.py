"""Steps that were left to chance: found where futures differ by more than a step goes, and counted between rows."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor

import tiny
from forethought.config import ContinuousLatentConfig
from forethought.training.encoded_dataset import EncodedDataset, encode_store
from forethought.training.reachability_phase import DistancesPhase, draw_pairs, hard_negatives
from forethought.training.stochastic_transitions import ENOUGH, Steps, calibrate, stochastic_steps, stochastic_steps_before
from forethought.training.train import levels_phases
from forethought.world_model.continuous import ContinuousLatent
from forethought.world_model.level import FirstLevel

ROWS = 11
TELEPORT = 6
"""The step from this row on leads one way or another."""


def walks(count: int) -> EncodedDataset:
    """One place a step; episodes of 10 steps, D = 2."""
    places = torch.arange(ROWS).float().repeat(count)
    states = torch.stack([places, torch.zeros_like(places)], 1)
    starts, lengths = ROWS * torch.arange(count), torch.full((count,), ROWS - 1)
    return EncodedDataset(states, states, torch.zeros(len(states), 3), torch.zeros(len(states), 0), starts, lengths)


def coin(heads: float = 0.5) -> FirstLevel:
    """A level that goes on by one place, but from `TELEPORT` to either side; the last place has two ways, too."""

    def step(here: Tensor, actions: Tensor, z: Tensor) -> Tensor:
        gamble = (here[..., :1] == TELEPORT) | (here[..., :1] == ROWS - 1)
        aside = torch.where(gamble, 8 * z[..., :1] - 4, 0.1 * z[..., :1])
        return here + torch.cat([torch.ones_like(aside), aside], -1)

    level: Any = tiny.uncertain_agent().modules.world_model
    odds = torch.tensor([heads, 1 - heads, 0.0])
    level.step, level.latent.log_prior = step, lambda states, actions: odds.log().expand(*states.shape[:-1], -1)
    return cast(FirstLevel, level)


def test_the_gamble_is_found_and_an_episodes_end_is_none() -> None:
    found = stochastic_steps(coin(), walks(3)).view(3, ROWS)
    assert found[:, TELEPORT].all()
    assert found.sum() == 3


@pytest.mark.parametrize("heads", [0.03, 0.97])
def test_rare_luck_is_luck(heads: float) -> None:
    assert stochastic_steps(coin(heads), walks(3)).view(3, ROWS)[:, TELEPORT].all()


def test_numbers_stand_for_all_of_their_prior() -> None:
    """Points in two dimensions that do not lie in a row."""
    torch.manual_seed(0)
    latent = ContinuousLatent(2, 1, ContinuousLatentConfig(kind="gaussian", dim=2), 256).requires_grad_(False)
    chance, share = latent.outcomes(torch.zeros(5, 2), torch.zeros(5, 1))
    assert chance.shape == (5, 8, 2)
    assert share.sum(-1).tolist() == pytest.approx([1.0] * 5)
    assert torch.equal((chance[0] * 8).long().sort(0).values, torch.arange(8)[:, None].expand(-1, 2))
    assert abs(float(torch.corrcoef(chance[0].T)[0, 1])) < 0.5


def test_without_a_latent_variable_nothing_is_open() -> None:
    agent, store = tiny.three_level_agent(), tiny.long_store()
    data = encode_store(agent.modules.world_model, store, store.train, agent.body)
    assert not stochastic_steps(agent.modules.world_model, data).any()


def test_who_knows_of_no_luck_can_be_told_by_who_does() -> None:
    agent, data = tiny.three_level_agent(), walks(3)
    for foresight, last in ((None, 0), (coin(), 3)):
        *_, distances = levels_phases(agent.modules, agent.configuration, lambda: data, foresight)
        assert isinstance(distances, DistancesPhase)
        assert distances.count_stochastic()[-1] == last


def test_a_way_that_was_luck_bounds_no_distance() -> None:
    data = walks(20)
    stochastic_before = stochastic_steps_before(stochastic_steps(coin(), data))
    generator = torch.Generator().manual_seed(0)
    pairs = draw_pairs(data, stochastic_before, 400, generator)
    here, later = pairs.rows % ROWS, pairs.later % ROWS
    assert torch.equal(pairs.sure, ~((here <= TELEPORT) & (later > TELEPORT)))
    _, _, gap, _ = hard_negatives(pairs, data.states[torch.stack([pairs.rows, pairs.later, pairs.others])], generator)
    assert torch.equal(gap.isinf(), ~pairs.sure)
    assert torch.equal(gap[pairs.sure], (later - here)[pairs.sure].float())


@pytest.mark.parametrize("still", [0.4, 0.6, 0.95])
def test_a_body_that_stands_still_most_of_the_time_is_not_always_lucky(still: float) -> None:
    data = walks(200)
    places = (torch.rand(200, ROWS, generator=torch.Generator().manual_seed(0)) > still).float().cumsum(1)
    data.states[:, 0] = places.flatten()
    found = stochastic_steps(coin(), data)
    gamble = (data.states[:, 0] == TELEPORT) | (data.states[:, 0] == ROWS - 1)
    gamble[data.starts + data.lengths] = False
    assert torch.equal(found, gamble)
    data.states[:] = 0.0
    assert not stochastic_steps(coin(), data).any(), "nothing has ever moved"


def rough(count: int, noise: float = 0.03) -> Steps:
    """Steps of `walks` that no code foresees to the last digit."""
    data = walks(count)
    data.states[:, 1] = noise * torch.randn(len(data.states), generator=torch.Generator().manual_seed(0))
    return Steps.of(data)


def test_odds_are_calibrated_where_codes_foresee_different_things_if_that_is_often_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    level, told = coin(), []
    monkeypatch.setattr(level.latent, "calibrate", lambda *given: told.append(given[1:]))
    calibrate(level, rough(ENOUGH - 1))
    assert not told
    calibrate(level, rough(ENOUGH))
    ((now, actions, after),) = told
    assert now[:, 0].tolist() == [TELEPORT] * ENOUGH
    assert after[:, 0].tolist() == [TELEPORT + 1] * ENOUGH
    assert actions.shape == (ENOUGH, 3)


def test_what_differs_no_more_than_foresight_misses_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    level, told = coin(), []
    monkeypatch.setattr(level.latent, "calibrate", lambda *given: told.append(given[1:]))
    calibrate(level, rough(ENOUGH, noise=3.0))
    assert not told


def test_only_codes_have_odds_to_calibrate() -> None:
    agent, store = tiny.three_level_agent(), tiny.long_store()
    level = agent.modules.world_model
    calibrate(level, Steps.of(encode_store(level, store, store.train, agent.body)))
