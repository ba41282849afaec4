"""Drives of any Gymnasium environment: from `info` or from the observation, recorded, and learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drive_worlds import PAINFUL

import forethought as ft
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.worlds import World, notices, registry

STREAMS = {"streams": ["proprioception"]}


def world_of(**drives: str) -> World:
    return registry.make(PAINFUL, 2, drives=drives, **STREAMS)


def test_drives_come_from_info_and_from_the_observation() -> None:
    """A nested key, a plain one, and a function; nothing is felt at the reset; a missing key is 0."""
    world = world_of(pain="costs.hurt", effort_of_moving="speed", far="drive_worlds:distance")
    assert world.spec.drives == ("pain", "effort_of_moving", "far")
    assert not world.reset([0, 1]).drives.any()
    frame = world.step(np.array([[1.0], [-0.5]], np.float32))
    assert np.allclose(frame.drives, [[1.0, 1.0, 0.5], [0.0, 0.5, 0.25]])
    assert world.spec.options["drives"]["far"] == "drive_worlds:distance", "a store says where its drives come from"
    world.close()


def test_they_are_recorded(tmp_path: Path) -> None:
    """Summed over the steps of a block, as rewards are."""
    options = {"drives": {"pain": "costs.hurt"}, "block": 5, **STREAMS}
    store = ft.collect(PAINFUL, out=tmp_path / "d", episodes=4, options=options)
    for index in range(store.num_episodes):
        episode = store.read(index)
        assert episode.drives.shape == (5, 1)
        assert 0 <= episode.drives.min() <= episode.drives.max() <= 5


@pytest.mark.parametrize(
    ("drives", "sentence"),
    [
        ({"reward": "speed"}, "another energy's"),
        ({"pain": "no_such_module:f"}, "can't be imported"),
        ({"pain": "drive_worlds:nothing"}, "annotated as returning a float"),
        ({"pain": "drive_worlds:untyped"}, "annotated as returning a float"),
        ({"pain": "os:system"}, "annotated as returning a float"),
        ({"pain": "drive_worlds:np"}, "annotated as returning a float"),
    ],
)
def test_what_can_be_no_drive_is_refused_when_the_world_is_made(drives: dict[str, str], sentence: str) -> None:
    """One sentence, before anything is stepped."""
    with pytest.raises(ForethoughtError, match=sentence):
        world_of(**drives)


def test_a_negative_drive_is_one_sentence() -> None:
    """It names the drive, its source, and what to do."""
    world = world_of(pain="wrong")
    world.reset([0, 1])
    with pytest.raises(ForethoughtError, match=r"drive 'pain' is -1\.0 \(wrong\).*0 where nothing is felt"):
        world.step(np.zeros((2, 1), np.float32))
    world.close()


def test_a_key_that_never_comes_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """After the first episode, with the keys that there are."""
    notices.forget_notices()
    world = world_of(pain="sped")
    world.reset([0, 1])
    world.step(np.zeros((2, 1), np.float32))
    assert "sped" not in caplog.text
    for _ in range(3):
        world.reset([0, 1])
    assert caplog.text.count("info has had no 'sped' yet (did you mean 'speed'?") == 1
    world.close()


def test_a_look_says_what_was_felt(tmp_path: Path) -> None:
    """Each drive with its highest signal, and how often it was above 0."""
    facts = ft.look(PAINFUL, out=tmp_path / "p.png", options={"drives": {"pain": "costs.hurt"}, **STREAMS}).facts
    assert next(found for what, found in facts if what == "felt").startswith("pain: up to 1 a step, in ")


def test_a_life_weighs_them_against_the_reward(tmp_path: Path) -> None:
    """The rule makes both of one size; the page, the record and the evaluation tell them."""
    tiny: dict[str, Any] = {
        "model.encoder.state_dim": 8, "model.encoder.hidden": 16, "model.predictor.hidden": 16, "model.reward.hidden": 16,
        "training.online.updates_per_step": 0.2, "training.online.batch": 16, "planner.search.num_samples": 16,
        "planner.search.num_elites": 4,
    }  # fmt: skip
    options = {"drives": {"pain": "costs.hurt"}}
    agent = ft.live(PAINFUL, out=tmp_path / "run", steps=200, options=options, config=tiny)
    store = EpisodeStore.open(tmp_path / "run" / "dataset")
    rows = [store.read(index) for index in range(3)]
    felt, gained = (np.concatenate([getattr(row, name)[1:] for row in rows]) for name in ("drives", "rewards"))
    weight = agent.configuration.planner.cost.drive_weights["pain"]
    assert weight == pytest.approx(np.sqrt(np.square(gained).mean()) / np.sqrt(np.square(felt).mean()), rel=0.01)
    score = ft.evaluate_return(agent, episodes=3, out=tmp_path / "run")
    assert set(score.drives) == {"pain"}
    assert "; pain " in score.sentence
    total = score.agent.mean - weight * score.drives["pain"][0].mean
    assert score.total[0].mean == pytest.approx(total)


@pytest.mark.slow
def test_pain_is_avoided_though_it_pays(tmp_path: Path) -> None:
    """The reward pulls to the right, where it hurts; a life with pain of weight 10 stays left, one without goes right."""
    options, ends = {"drives": {"pain": "costs.hurt"}}, []
    for weight in (0.0, 10.0):
        config = {"planner.cost.drive_weights": {"pain": weight}}
        agent = ft.live(PAINFUL, out=tmp_path / str(weight), steps=600, options=options, config=config)
        ends.append(ft.evaluate_return(agent, episodes=10).drives["pain"][0].mean)
    careless, careful = ends
    assert careless > 15
    assert careful < 2
