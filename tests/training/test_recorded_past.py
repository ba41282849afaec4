"""Whether recorded episodes need a context: a mass whose velocity is shown or hidden, in numbers and in pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from forethought.configurator.rules import hides_velocities
from forethought.data import EpisodeStore, StoreWriter
from forethought.training import recorded_past
from forethought.training.recorded_past import recorded_past_gain
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec


def recorded(folder: Path, shown: str, episodes: int = 40, length: int = 40) -> EpisodeStore:
    """A mass on a spring, pushed at random; in `walls` it has no velocity, and stops at walls that lie close together."""
    streams = {"picture": StreamSpec("pixels", (16, 16, 3), "uint8")}
    stream = streams.get(shown, StreamSpec("numbers", (2 if shown == "velocity" else 1,), "float32"))
    spec = WorldSpec("mass", {}, (stream,), ActionSpace("continuous", 1, (-1.0,), (1.0,)), length, 1)
    made: list[Episode] = []
    for seed in range(episodes):
        random = np.random.default_rng(seed)
        actions = random.uniform(-1, 1, (length, 1)).astype(np.float32)
        rows = np.zeros((length + 1, 2))
        rows[0] = random.normal(size=2) * (0.5, 0.3)
        for step, (push,) in enumerate(actions):
            velocity = 0.95 * rows[step, 1] + 0.1 * push - 0.1 * rows[step, 0]
            rows[step + 1] = rows[step, 0] + velocity, velocity
            if shown == "walls":
                moved = rows[step, 0] + 0.3 * push
                same_room = np.floor(2 * moved) == np.floor(2 * rows[step, 0])
                rows[step + 1, 0] = moved if same_room or random.random() < 0.02 else rows[step, 0]
        across = np.arange(16)[None, :] - 8 - 5 * rows[:, :1]
        bright = np.broadcast_to((255 * np.exp(-0.2 * across**2))[:, None, :, None], (length + 1, 16, 16, 3))
        seen = bright.astype(np.uint8) if shown == "picture" else rows[:, : stream.shape[0]].astype(np.float32)
        made.append(Episode({stream.name: seen}, actions, {}, np.zeros((length + 1, 0), np.float32), seed))
    writer = StoreWriter(folder / shown, spec, 1)
    writer.append(made)
    return writer.finalise()


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred steps are enough for these worlds."""
    monkeypatch.setattr(recorded_past, "STEPS", 400)


@pytest.mark.parametrize(("shown", "hidden"), [("velocity", False), ("place", True), ("picture", True), ("walls", False)])
def test_a_context_is_for_recordings_that_hide_what_moves(tmp_path: Path, shown: str, hidden: bool) -> None:
    gain = recorded_past_gain(recorded(tmp_path, shown))
    assert 0 <= gain.given <= 1 >= gain.without >= 0
    assert hides_velocities(gain.without, gain.given) is hidden


def test_the_measurement_is_the_same_each_time_and_leaves_random_numbers_alone(tmp_path: Path) -> None:
    store, before = recorded(tmp_path, "place"), torch.get_rng_state()
    assert recorded_past_gain(store) == recorded_past_gain(EpisodeStore.open(store.path))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("episodes", "length"), [(4, 40), (30, 1), (1, 40)])
def test_few_rows_tell_nothing(tmp_path: Path, episodes: int, length: int) -> None:
    gain = recorded_past_gain(recorded(tmp_path, "place", episodes, length))
    assert (gain.without, gain.given) == (0.0, 0.0)


def test_an_open_store_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = recorded(tmp_path, "place")
    found = recorded_past_gain(store)
    monkeypatch.setattr(recorded_past, "fit_features", lambda *given: pytest.fail("measured again"))
    assert recorded_past_gain(store) is found
