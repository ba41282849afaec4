"""Seeds of a collection: of any size, all the same, ignored by the world; and worlds that only this process knows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import forethought as ft
import made_worlds
from forethought.data import EpisodeStore, StoreWriter
from forethought.errors import ForethoughtError
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec
from forethought.worlds import notices

SENSES: dict[str, Any] = {"streams": ["proprioception"], "max_steps": 15}


@pytest.fixture(autouse=True)
def own_process() -> Iterator[None]:
    before = dict(gymnasium.registry)
    notices.forget_notices()
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(before)


def recorded(out: Path, seeds: list[int]) -> EpisodeStore:
    spec = WorldSpec("robot", {}, (StreamSpec("place", (2,), "float32"),), ActionSpace("continuous", 1, (-1.0,), (1.0,)), 10)
    writer = StoreWriter(out, spec, 5)
    for seed in seeds:
        place = np.random.default_rng(3).normal(size=(3, 2)).astype(np.float32)
        writer.append([Episode({"place": place}, np.zeros((2, 5), np.float32), {}, np.zeros((3, 0), np.float32), seed)])
    return writer.finalise()


def test_seeds_of_128_bits_are_kept_and_split(tmp_path: Path) -> None:
    seeds = [2**127 + number for number in range(20)] + [-5, 7]
    store = recorded(tmp_path, seeds)
    assert [store.read(episode).seed for episode in range(22)] == seeds
    assert store.seeds.dtype == np.int64
    assert len(set(store.seeds.tolist())) == 22
    assert store.seeds[-2:].tolist() == [-5, 7]
    assert 0 < len(store.heldout) < 22


@pytest.mark.parametrize("seed", [0, 13, 2**100])
def test_one_seed_for_all_is_said_and_not_trained_on(tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    store = recorded(tmp_path / "store", [seed] * 5)
    assert f"all 5 episodes of the store at {tmp_path / 'store'} have the seed {seed}" in caplog.text
    with pytest.raises(ForethoughtError, match=f"all 5 episodes .* carry the seed {seed}.*a seed of its own"):
        ft.train(store, out=tmp_path / "run")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_world_that_ignores_its_seed_is_noticed_once(tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture) -> None:
    ft.collect("made_worlds:Careless", out=tmp_path, episodes=3, options=SENSES, workers=workers, progress=False)
    said = [record.getMessage() for record in caplog.records if "does not follow its seed" in record.getMessage()]
    assert len(said) == 1
    assert "World 'made_worlds:Careless'" in said[0]


def test_a_world_of_this_process_is_collected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Local(made_worlds.Plain):
        pass

    gymnasium.register("LocalPlain-v0", Local, max_episode_steps=12)
    gymnasium.register("MinePlain-v0", made_worlds.Plain, max_episode_steps=12, kwargs={"gain": 0.5})
    caplog.set_level(logging.WARNING)
    asked: dict[str, Any] = {"episodes": np.int64(3), "seed": np.uint32(4), "options": SENSES, "progress": False}
    stores = {
        (name, workers): ft.collect(name, out=tmp_path / f"{name}-{workers}", workers=workers, **asked)
        for name in ("LocalPlain-v0", "MinePlain-v0")
        for workers in (0, 1)
    }
    for name in ("LocalPlain-v0", "MinePlain-v0"):
        one, other = stores[name, 0], stores[name, 1]
        for episode in range(3):
            np.testing.assert_array_equal(one.read(episode).actions, other.read(episode).actions)
            np.testing.assert_array_equal(
                one.read(episode).observation["proprioception"], other.read(episode).observation["proprioception"]
            )
    (said,) = [record.getMessage() for record in caplog.records if "cannot import" in record.getMessage()]
    assert "LocalPlain-v0" in said
    assert "workers=0, or move it into a module" in said


def test_a_worker_has_no_keyboard(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="it waits for input from a keyboard"):
        ft.collect("made_worlds:Asking", out=tmp_path, episodes=2, options=SENSES, progress=False)
