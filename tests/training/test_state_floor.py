"""The floor of a trained state: what is compared, what the alarm says, and that training asks once, at its end."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.configurator import configure
from forethought.data import EpisodeStore
from forethought.readout.missing_variation import StreamVariation
from forethought.training import state_floor
from forethought.training.state_floor import StateFloor, floor_alarms, measure_state_floor, place_of
from forethought.training.train import train
from forethought.training.world_model_phase import WorldModelPhase


@cache
def store() -> EpisodeStore:
    return tiny.rooms_store()


def configuration(**overrides: float) -> Configuration:
    settings = {**tiny.SMALL, "training.world_model_steps": 150, **overrides}
    return configure(store().spec, store().block, store().statistics(), overrides=settings)


def test_the_untrained_state_is_its_own_floor() -> None:
    """Same weights, so exactly the same is missed, and the generator of the training is left alone."""
    settings = configuration()
    level, before = AgentNetworks(settings).world_model, torch.get_rng_state()
    found = measure_state_floor(level, store(), settings)
    assert torch.equal(before, torch.get_rng_state())
    assert found is not None
    for stream in found.streams:
        assert stream.missed[0] == pytest.approx(stream.missed[1], rel=1e-3, abs=1e-3 * float(stream.lasting.sum()))
        assert not stream.lost.any()
    assert floor_alarms(found, settings.data.streams, settings.training.loss) == []


def test_the_rows_of_the_test_are_whole_windows_of_episodes_that_are_not_fitted_on() -> None:
    sample = state_floor._sample(store())
    assert sample is not None
    fit, test = sample
    episode = np.repeat(np.arange(store().num_episodes), store().lengths_with_partial + 1)
    assert not set(episode[fit]) & set(episode[test].flatten())
    assert (np.diff(test, axis=1) == 1).all()
    assert (episode[test] == episode[test[:, :1]]).all()
    assert set(episode[fit]) <= set(store().train)
    assert set(episode[test].flatten()) >= set(store().heldout)


def test_few_steps_or_few_episodes_measure_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    level = AgentNetworks(configuration()).world_model
    assert measure_state_floor(level, store(), configuration(**{"training.world_model_steps": 99})) is None
    monkeypatch.setattr(state_floor, "FEWEST_EPISODES", store().num_episodes)
    assert measure_state_floor(level, store(), configuration()) is None


def variation(grid: tuple[int, int] | None, lost: list[int], places: int) -> StreamVariation:
    mask = torch.zeros(places, dtype=torch.bool)
    mask[lost] = True
    missed = torch.stack([torch.full((places,), 0.7), torch.full((places,), 0.2)])
    return StreamVariation("pixels", grid, torch.ones(places), missed, torch.zeros(2, 3, places), mask)


def test_the_sentence_says_where_and_how_much_and_what_to_try() -> None:
    """A box in pixels, x from columns of a picture of 64 x 64, y from its rows."""
    settings = configuration()
    found = StateFloor((variation((8, 8), [2 * 8 + 4, 5 * 8 + 3], 64),), np.zeros((2, 4), np.int64))
    (sentence,) = floor_alarms(found, settings.data.streams, settings.training.loss)
    assert "at x 24..40, y 16..48 of 'pixels'" in sentence
    assert "misses 70% of its lasting variation, one from the same encoder untrained 20%" in sentence
    assert sentence.count(";") == 1
    assert "training.loss.ema to 0.8" in sentence
    with_teacher = configuration(**{"training.loss.ema": 0.8}).training.loss
    assert "train longer" in floor_alarms(found, settings.data.streams, with_teacher)[0]


def test_the_places_of_a_vector_are_its_numbers() -> None:
    assert place_of(variation(None, [2], 5), (5,)) == "in number 2"
    assert place_of(variation(None, [0, 4], 5), (5,)) == "in numbers 0, 4"


def test_a_training_logs_the_floor_once_at_its_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The alarm is that of the found places, after those of a collapse, and the log names the shares."""
    asked = []
    found = StateFloor((variation((8, 8), [0], 64),), np.zeros((2, 4), np.int64))

    def measure(*_: object) -> StateFloor:
        asked.append(True)
        return found

    monkeypatch.setattr("forethought.training.world_model_phase.measure_state_floor", measure)
    monkeypatch.setattr("forethought.training.loop.MONITOR_EVERY", 4)
    train(
        store(), out=tmp_path / "run", config=tiny.SMALL,
        phases=lambda modules, source, made, body, _: [WorldModelPhase(modules, source, made, body)],
    )  # fmt: skip
    assert len(asked) == 1
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert "Lost variation: what changes at x 0..8, y 0..8" in last["alarms"][-1]
    assert (last["missed_pixels"], last["missed_pixels_untrained"]) == pytest.approx((0.7, 0.2))
