from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from online_fixtures import networks_of, settings

from forethought.action_codec import ActionCodec
from forethought.config import CONFIGURATION
from forethought.data.growing import GrowingStore
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.online.dataset import DATASET
from forethought.online.life import Life
from forethought.online.progress import EVERY, PROGRESS, ProgressWriter, read_progress, reading
from forethought.online.record import Record
from forethought.training.agent_files import read_configuration, untrained_networks
from life_fixtures import LENGTHS, make_life, progress_of, walk, walk_spec


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A life before its first update."""
    run = tmp_path_factory.mktemp("idle")
    make_life(run, walk_spec())
    configuration = read_configuration(run / CONFIGURATION)
    return Life(untrained_networks(configuration), configuration, ActionCodec(configuration.data), 1000)


def figures(steps: int, episodes: int = 3, kept: int = 3) -> Record:
    return Record(episodes, episodes - kept, steps, [[steps - 10 * each, 1.0] for each in range(kept)][::-1])


def test_the_observer_is_called_once_a_minute_and_at_the_end(tmp_path: Path, idle: Life) -> None:
    clock, calls = Clock(), list[float]()
    writer = ProgressWriter(tmp_path, 1000, lambda run: calls.append(clock.now), clock)
    writer.begin(2, figures(100), idle)
    for step in range(200):
        clock.now += 1.0
        writer.lived(figures(101 + step), idle)
    writer.end(figures(1000))
    assert [round(call - 1000) for call in calls] == [0, 60, 120, 180, 200]
    assert read_progress(tmp_path).state == "finished"
    assert read_progress(tmp_path).seconds == pytest.approx(200)


def test_a_slow_page_is_drawn_less_often(tmp_path: Path, idle: Life) -> None:
    clock, calls = Clock(), list[float]()

    def slow(run: Path) -> None:
        calls.append(clock.now)
        clock.now += 10.0

    writer = ProgressWriter(tmp_path, 1000, slow, clock)
    writer.begin(2, figures(100), idle)
    for step in range(1000):
        clock.now += 1.0
        writer.lived(figures(101 + step), idle)
    assert len(calls) == 3
    assert calls[1] - calls[0] == pytest.approx(10 + EVERY), "the first page also loads what draws it"
    assert calls[2] - calls[1] >= 10 / 0.02 > EVERY


def test_an_observer_that_fails_is_one_warning(tmp_path: Path, idle: Life, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    def failing(run: Path) -> None:
        raise ValueError("no ink")

    writer = ProgressWriter(tmp_path, 1000, failing, clock)
    with caplog.at_level(logging.WARNING):
        writer.begin(2, figures(100), idle)
        clock.now += EVERY
        writer.lived(figures(200), idle)
        writer.end(figures(1000))
    (message,) = [record.message for record in caplog.records]
    assert "the life goes on" in message
    assert "no ink" in message
    assert read_progress(tmp_path).steps == 1000


def test_what_came_after_the_checkpoint_comes_again(tmp_path: Path, idle: Life) -> None:
    make_life(
        tmp_path, walk_spec(), progress_of(evaluations=[(300, 1.0, 0.0, 2.0), (600, 2.0, 1.0, 3.0)], changes=[(650, "x")])
    )
    writer = ProgressWriter(tmp_path, 2000, None, Clock())
    writer.begin(5, figures(450), idle)
    found = read_progress(tmp_path)
    assert (found.steps, found.total, found.seconds) == (450, 2000, 61.0)
    assert [at for at, _ in found.readings] == [200, 300, 400]
    assert [at for at, *_ in found.evaluations] == [300]
    assert not found.changes


def test_a_life_that_is_stopped_says_why(tmp_path: Path, idle: Life) -> None:
    writer = ProgressWriter(tmp_path, 1000, None, Clock())
    writer.end(figures(0), ForethoughtError("the world is gone."))
    assert not (tmp_path / PROGRESS).exists(), "before it began to learn there is nothing to tell"
    writer.begin(2, figures(100), idle)
    writer.lost("a crash")
    writer.end(figures(120, episodes=4), ForethoughtError("the world is gone."))
    found = read_progress(tmp_path)
    assert (found.state, found.stopped_by, found.lost, found.last_loss) == ("stopped", "the world is gone.", 1, "a crash")


def test_evaluations_have_intervals(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path, 1000, None, Clock())
    writer.evaluated(10, np.array([1.0, 3.0]))
    writer.evaluated(20, np.array([4.0]))
    assert writer.progress.evaluations == [(10, 2.0, pytest.approx(0.04), pytest.approx(3.96)), (20, 4.0, 4.0, 4.0)]


def test_damaged_progress_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="has not begun to learn"):
        read_progress(tmp_path)
    content = dataclasses.asdict(progress_of())
    for name, value in (("returns", [[1]]), ("readings", 3), ("unknown", 1), ("evaluations", [["a", 1, 2, 3]])):
        (tmp_path / PROGRESS).write_text(json.dumps({**content, name: value}))
        with pytest.raises(CorruptFileError, match="damaged"):
            read_progress(tmp_path)


def test_readings_are_of_the_replay_and_leave_the_life_as_it_is(tmp_path: Path) -> None:
    make_life(tmp_path, walk_spec())
    configuration = read_configuration(tmp_path / CONFIGURATION)
    life = Life(untrained_networks(configuration), configuration, ActionCodec(configuration.data), 1000)
    for number, length in enumerate(LENGTHS):
        life.replay.add_episode(walk(walk_spec(), length, number))
    life.learn(2)
    before = {name: value.clone() for name, value in life.networks.state_dict().items()}
    found = reading(life)
    assert {"consistency", "value", "entropy", "state_std", "future_cost"} <= found.keys()
    assert found == reading(life)
    assert found["largest_cost"] == pytest.approx(1 / (1 - configuration.model.discount))
    assert all((value == before[name]).all() for name, value in life.networks.state_dict().items())
    life.terms["value"] = float("inf")
    assert reading(life)["value"] is None
    assert len(GrowingStore(tmp_path / DATASET).lengths) == len(LENGTHS)


def test_terms_are_the_mean_of_the_updates_so_far() -> None:
    """Of the first ones with equal weight."""
    configuration = settings()
    networks, codec = networks_of(configuration)
    life = Life(networks, configuration, codec, 100)
    for number, value in enumerate((1.0, 3.0, 8.0)):
        life.learner.updates.fill_(number + 1)
        life._note({"reward": torch.tensor(value)})
    assert life.terms["reward"] == pytest.approx(4.0)
