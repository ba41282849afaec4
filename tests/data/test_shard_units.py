from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from child_processes import children
from forethought.data import StoreWriter
from forethought.data.recorder import Job, seed_of
from forethought.data.shard_units import NotOpened, ShardUnit, record_shards
from forethought.errors import ForethoughtError
from forethought.execution import Crew, Executor, Processes, UnitOutcome
from forethought.worlds import registry

WORLD = "troubled_worlds:Troubled-v0"
Beginner = Callable[[dict[str, str], int], Job]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beginner:
    """Begins a store that waits for episodes of the troubled world."""
    monkeypatch.syspath_prepend(Path(__file__).parent)

    def make(trouble: dict[str, str], episodes: int) -> Job:
        options = {"arguments": {"trouble": trouble}, "size": 8, "max_steps": 6, "block": 2}
        asked = {"world": WORLD, "options": options, "policy": "random", "seed": 0, "episodes": episodes}
        world = registry.make(WORLD, 1, **options)
        world.close()
        StoreWriter(tmp_path / "store", world.spec, 2, asked)
        return Job.read(tmp_path / "store")

    return make


def test_death_and_hanging_cost_one_episode_each(begin: Beginner) -> None:
    troubles = {str(seed_of(0, number)): what for number, what in {1: "die", 3: "hang", 5: "raise"}.items()}
    job, heard = begin(troubles, 7), []
    record_shards(Processes(1), job, [0], 5.0, lambda event, number, why="": heard.append((event, number, why)))
    finished = StoreWriter.resume(job.store).finalise()
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
    job = begin({}, 3)
    (job.store / "shards").rename(job.store / "elsewhere")
    (job.store / "shards").write_text("not a folder")
    before = children()
    with pytest.raises(ForethoughtError, match="could not write .*shards"):
        record_shards(Processes(2), job, [0], 30.0, lambda event, number, why="": None)
    assert children() <= before


def test_a_worker_without_the_stores_folder_says_so(begin: Beginner, tmp_path: Path) -> None:
    elsewhere = replace(begin({}, 3), store=tmp_path / "not-shared")
    with pytest.raises(ForethoughtError, match=r"not-shared/recipe.json: the store's recipe is missing on .* the same path"):
        record_shards(Processes(1), elsewhere, [0], 30.0, lambda event, number, why="": None)
    assert not (tmp_path / "not-shared").exists()


class Scripted(Crew, Executor):
    """A crew whose outcomes are functions of the unit, given in turn; it hears which episode was in progress."""

    workers = 2

    def __init__(self, ends: list[Callable[[ShardUnit], UnitOutcome]], episode: int = 0, left: list[int] | None = None) -> None:
        self.ends, self.episode, self.left = deque(ends), episode, deque(left or [])
        self.waiting, self.done = deque[Any](), list[ShardUnit]()

    def open(self, hear: Any, patience: float | None = None, claim: tuple[int, ...] = ()) -> Crew:
        self.hear = hear
        return self

    def add(self, unit: Any) -> None:
        self.waiting.append(unit)

    def __iter__(self) -> Iterator[UnitOutcome]:
        while self.waiting:
            unit = self.waiting.popleft()
            self.done.append(unit)
            end = self.ends.popleft() if self.ends else UnitOutcome
            self.hear(unit, ("episode", self.episode, ""))
            yield end(unit)

    def dismiss(self) -> int:
        return self.left.popleft() if self.left else 0

    def close(self) -> None:
        pass


def lost(fault: Any) -> Callable[[ShardUnit], UnitOutcome]:
    return lambda unit: UnitOutcome(unit, lost=f"it {fault}", fault=fault)


def no_seat(unit: ShardUnit) -> UnitOutcome:
    return UnitOutcome(unit, NotOpened(4, "no seat left"))


def events_of(crew: Scripted, job: Job, shards: int = 1) -> list[tuple[str, int, str]]:
    heard = list[tuple[str, int, str]]()
    record_shards(crew, job, range(shards), 5.0, lambda event, number, why="": heard.append((event, number, why)))
    return [event for event in heard if event[0] != "episode"]


def test_an_episode_in_which_two_workers_die_is_left_out(begin: Beginner) -> None:
    crew = Scripted([lost("died")] * 3, episode=3)
    assert events_of(crew, begin({}, 5)) == [("failed", 3, "it died"), ("done", 0, "")]
    assert [(unit.alone, unit.suspect) for unit in crew.done] == [(False, None), (True, None), (True, 3), (True, None)]
    assert crew.done[-1].skip == {3: "it died"}


def test_one_in_which_a_worker_hangs_alone_is_left_out_at_once(begin: Beginner) -> None:
    crew = Scripted([lost("hung")] * 2, episode=3)
    assert events_of(crew, begin({}, 5)) == [("failed", 3, "it hung"), ("done", 0, "")]


def test_a_machine_that_is_taken_away_costs_no_episode(begin: Beginner) -> None:
    crew, job = Scripted([lost("gone")] * 5), begin({}, 5)
    assert events_of(crew, job) == [("done", 0, "")]
    assert {(unit.alone, unit.suspect) for unit in crew.done} == {(False, None)}
    with pytest.raises(ForethoughtError, match="taken away again and again"):
        events_of(Scripted([lost("gone")] * 50), job)


def test_a_worker_without_a_world_is_dismissed_and_the_others_do_its_work(
    begin: Beginner, caplog: pytest.LogCaptureFixture
) -> None:
    crew = Scripted([no_seat, UnitOutcome, no_seat], left=[2, 1])
    with caplog.at_level(logging.WARNING):
        heard = events_of(crew, begin({}, 5), shards=3)
    assert sorted(heard) == [("done", 0, ""), ("done", 1, ""), ("done", 2, "")]
    assert "2 processes collect, not 3, for another one does not start: no seat left" in caplog.text
    assert "1 processes collect, not 2" in caplog.text


def test_the_last_worker_without_a_world_leaves_its_episode_out(begin: Beginner) -> None:
    crew = Scripted([no_seat])
    assert events_of(crew, begin({}, 5)) == [("failed", 4, "no seat left"), ("done", 0, "")]
    assert crew.done[-1].skip == {4: "no seat left"}
