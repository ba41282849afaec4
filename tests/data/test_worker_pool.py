from __future__ import annotations

import logging
import os
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from forethought.data import StoreWriter
from forethought.data.recorder import seed_of
from forethought.data.worker_pool import ShardJob, Worker, collect_parallel
from forethought.errors import ForethoughtError
from forethought.worlds import registry

WORLD = "troubled_worlds:Troubled-v0"
Beginner = Callable[[dict[str, str], int], Path]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beginner:
    """Begins a store that waits for episodes of the troubled world."""
    monkeypatch.syspath_prepend(Path(__file__).parent)

    def make(trouble: dict[str, str], episodes: int) -> Path:
        options = {"arguments": {"trouble": trouble}, "size": 8, "max_steps": 6, "block": 2}
        asked = {"world": WORLD, "options": options, "policy": "random", "seed": 0, "episodes": episodes}
        world = registry.make(WORLD, 1, **options)
        world.close()
        StoreWriter(tmp_path / "store", world.spec, 2, asked)
        return tmp_path / "store"

    return make


def test_death_and_hanging_cost_one_episode_each(begin: Beginner) -> None:
    troubles = {str(seed_of(0, number)): what for number, what in {1: "die", 3: "hang", 5: "raise"}.items()}
    store, heard = begin(troubles, 7), []
    collect_parallel(store, [0], 1, 5.0, lambda event, number, why="": heard.append((event, number, why)))
    finished = StoreWriter.resume(store).finalise()
    assert finished.num_episodes == 4
    assert [failure.number for failure in finished.failures] == [1, 3, 5]
    assert [failure.seed for failure in finished.failures] == [seed_of(0, number) for number in (1, 3, 5)]
    died, hung, raised = (failure.reason for failure in finished.failures)
    assert died == "its process died (signal 9)"
    assert hung == "no sign of life for 5 s"
    assert "a wheel came off" in raised
    assert {number: why for event, number, why in heard if event == "failed"} == {1: died, 3: hung, 5: raised}
    assert heard[-1] == ("done", 0, "")


def test_a_mistake_is_raised_here_and_leaves_no_process(begin: Beginner) -> None:
    store = begin({}, 3)
    (store / "shards").rename(store / "elsewhere")
    (store / "shards").write_text("not a folder")
    with pytest.raises(ForethoughtError, match="could not write .*shards"):
        collect_parallel(store, [0], 2, 30.0, lambda event, number, why="": None)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_process_that_cannot_begin_is_not_tried_for_ever(begin: Beginner, monkeypatch: pytest.MonkeyPatch) -> None:
    store = begin({}, 3)
    monkeypatch.setattr("forethought.data.worker_pool.sys.executable", "false")
    with pytest.raises(ForethoughtError, match="twice ended before its first episode"):
        collect_parallel(store, [0], 1, 30.0, lambda event, number, why="": None)


class Seat(Worker):
    """A process in a pool whose world opens once at a time; it records at once what it is given, in whole shards of two."""

    pool: ClassVar[list[Seat]] = []
    seats = 1

    def __init__(self, store: Path, inbox: queue.Queue[Any], *_: Any) -> None:
        self.inbox, self.task, self.episode = inbox, None, None
        self.hung = self.started = self.stopped = False
        self.last_event = 0.0
        self.place = len([seat for seat in self.pool if not seat.stopped])
        self.pool.append(self)

    def begin(self, task: ShardJob) -> None:
        self.task = task
        numbers = [number for number in (2 * task.shard, 2 * task.shard + 1) if number not in task.skip]
        if self.place >= self.seats and numbers:
            self.inbox.put((self, ["unopened", numbers[0], "no seat left"]))
            return
        for number in numbers:
            self.inbox.put((self, ["recorded", number, ""]))
        self.inbox.put((self, ["done", task.shard, ""]))

    def stop(self) -> int:
        self.stopped = True
        return 0


@pytest.fixture
def seats(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int, int], list[tuple[str, int, str]]]:
    """Collects (seats, workers, shards), and returns the events."""
    monkeypatch.setattr("forethought.data.worker_pool.Worker", Seat)
    monkeypatch.setattr(Seat, "pool", [])

    def collect(seats: int, workers: int, shards: int) -> list[tuple[str, int, str]]:
        Seat.seats, heard = seats, list[tuple[str, int, str]]()
        collect_parallel(Path(), range(shards), workers, 5.0, lambda *event: heard.append(event))
        return heard

    return collect


def test_a_process_without_a_world_retires_and_the_others_do_its_work(
    seats: Callable[[int, int, int], list[tuple[str, int, str]]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        heard = seats(1, 3, 4)
    assert sorted(number for event, number, _ in heard if event == "recorded") == list(range(8)), "each once"
    assert sorted(number for event, number, _ in heard if event == "done") == [0, 1, 2, 3]
    assert not [event for event in heard if event[0] in ("failed", "unopened")]
    assert len(Seat.pool) == 3, "no other one is started in its place"
    assert all(seat.stopped for seat in Seat.pool)
    assert "2 processes collect, not 3, for another one does not start: no seat left" in caplog.text
    assert "1 processes collect, not 2" in caplog.text


def test_the_last_process_without_a_world_leaves_its_episodes_out(
    seats: Callable[[int, int, int], list[tuple[str, int, str]]],
) -> None:
    heard = seats(0, 2, 1)
    assert [event for event in heard if event[0] == "failed"] == [("failed", number, "no seat left") for number in (0, 1)]
    assert heard[-1] == ("done", 0, "")
