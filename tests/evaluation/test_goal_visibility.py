"""What one observation shows of the numbers that success compares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forethought.data import EpisodeStore, StoreWriter
from forethought.evaluation.store_examination import examine_store
from forethought.evaluation.store_examination.goal_visibility import compares_numbers, goal_visibility
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec

BLOCKS, EPISODES = 20, 40
SPEC = WorldSpec(
    "Recorded-v0",
    {},
    (StreamSpec("camera", (1,), "float32"),),
    ActionSpace("continuous", 1, (-1.0,), (1.0,)),
    100,
    1,
    {"state": 3},
)


def store_of(folder: Path, spec: WorldSpec) -> EpisodeStore:
    """A cart that its actions push, with a constant beside place and velocity; the camera shows the place alone."""
    writer = StoreWriter(folder / "store", spec, 1, {"policy": "random", "seed": 0}, held_out=0.25)
    for seed in range(EPISODES):
        random = np.random.default_rng(seed)
        actions = random.uniform(-1, 1, (BLOCKS, 1)).astype(np.float32)
        velocity = np.cumsum(np.concatenate([random.normal(0, 1, (1, 1)), actions]), 0)
        place = np.cumsum(velocity, 0) / 10 + random.normal(0, 10)
        truth = np.concatenate([place, velocity, np.full_like(place, 7.0)], 1).astype(np.float32)
        seen = {stream.name: truth[:, : stream.shape[0]] for stream in spec.streams}
        writer.append([Episode(seen, actions, {"state": truth}, np.zeros((BLOCKS + 1, 0), np.float32), seed)], ())
    return writer.finalise()


def test_a_hidden_velocity_hides_its_share_of_the_distance(tmp_path: Path) -> None:
    store = store_of(tmp_path, SPEC)
    found = goal_visibility(store, lambda rows: store.rows("camera", rows).astype(np.float64), store.train, store.heldout)
    assert found is not None
    assert found.r2[0] > 0.95
    assert found.r2[1] < 0.6
    assert found.hidden == 1
    assert found.weight == pytest.approx([0.5, 0.5, 0.0]), "a constant counts for nothing"
    assert found.shown < 0.8
    assert "over 2 numbers; least of number 2" in found.in_words()
    by_place = goal_visibility(
        store, lambda rows: store.rows("camera", rows).astype(np.float64), store.train, store.heldout, (0.01, 100.0, 1.0)
    )
    assert by_place is not None
    assert by_place.shown > 0.95, "a test that hardly counts the velocity does not need it"


def test_the_doctor_says_it_with_the_way_out(tmp_path: Path) -> None:
    hidden = examine_store(store_of(tmp_path / "hidden", SPEC))["goal"]
    assert hidden.level == "note"
    assert "number 2" in hidden.sentence
    assert "proprioception" in hidden.advice
    shown = examine_store(store_of(tmp_path / "shown", replace(SPEC, streams=(StreamSpec("proprioception", (3,), "float32"),))))
    assert shown["goal"].level == "ok"
    assert not shown["goal"].advice


def test_worlds_with_tasks_of_their_own_compare_something_else() -> None:
    assert compares_numbers(SPEC)
    assert not compares_numbers(replace(SPEC, name="forethought/Rooms-v0"))
    assert not compares_numbers(replace(SPEC, truth={"position": 2}))
    assert not compares_numbers(replace(SPEC, truth={"state": 3, "desired_goal": 2}))
    assert not compares_numbers(replace(SPEC, name="my arm/left"))
