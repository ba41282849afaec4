from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from forethought.data import StoreWriter
from forethought.data.recorder import seed_of
from forethought.data.worker_pool import collect_parallel
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
