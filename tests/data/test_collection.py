from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from forethought.atomic_io import claimed
from forethought.data import EpisodeStore, collect
from forethought.data.collection import held_out_share
from forethought.data.recorder import seed_of
from forethought.data.store_format import SHARD_EPISODES, read_recipe
from forethought.errors import CorruptFileError, ForethoughtError
from toy_env import DOT

ROOMS, SHORT = "forethought/Rooms-v0", {"max_steps": 10}
TROUBLED = "troubled_worlds:Troubled-v0"


def files_of(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


def here(out: Path, **changes: object) -> EpisodeStore:
    """150 short episodes, three shards, recorded in this process."""
    asked = {"episodes": 150, "seed": 3, "options": SHORT, "workers": 0, "progress": False, **changes}
    return collect(ROOMS, out=out, **asked)


def test_collect_fills_a_store(tmp_path: Path) -> None:
    store = here(tmp_path / "store")
    assert store.num_episodes == 150
    assert set(store.lengths_with_partial.tolist()) == {2}
    assert store.seeds.tolist() == [seed_of(3, number) for number in range(150)]
    assert store.recipe == {"world": ROOMS, "options": SHORT, "policy": "mixed", "seed": 3, "episodes": 150}
    assert store.spec.options["max_steps"] == 10
    assert np.ptp(store.rows("truth.position", np.arange(store.num_rows)), axis=0).min() > 10


def test_where_a_held_out_episode_gives_one_task_there_are_enough_of_them(tmp_path: Path) -> None:
    dots = collect(DOT, out=tmp_path / "dots", episodes=40, workers=0, progress=False)
    assert read_recipe(dots.path).held_out == 0.3
    assert 6 <= len(dots.heldout) <= 20
    assert dots.statistics().task_length == 5
    rooms = here(tmp_path / "rooms", episodes=40)
    assert read_recipe(rooms.path).held_out == 0.1, "built-in worlds make their own tasks"
    assert rooms.statistics().task_length is None
    assert [held_out_share(episodes) for episodes in (1, 200, 400, 5000)] == [0.3, 0.3, 0.15, 0.1]


def test_workers_and_kills_do_not_change_the_store(tmp_path: Path) -> None:
    """One process, two processes, and a collection that is killed after each of its first shards: equal in every byte."""
    here(tmp_path / "here", episodes=200)
    expected = files_of(tmp_path / "here")
    here(tmp_path / "two", episodes=200, workers=2)
    assert files_of(tmp_path / "two") == expected

    out = tmp_path / "killed"
    script = (
        "from forethought.data import collect\n"
        f"collect({ROOMS!r}, out={str(out)!r}, episodes=200, seed=3, options={SHORT!r}, resume=True, progress=False)\n"
    )
    kills = 0
    while len(list(out.glob("shards/0*"))) < 2:
        before = len(list(out.glob("shards/0*")))
        process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
        while len(list(out.glob("shards/0*"))) == before and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert not (out / "manifest.json").exists()
    kept = files_of(out)
    with pytest.raises(ForethoughtError, match="is unfinished"):
        EpisodeStore.open(out)
    here(out, episodes=200, workers=1, resume=True)
    found = files_of(out)
    assert found == expected
    assert kills >= 1
    for name, content in kept.items():
        if name.startswith("shards/0"):
            assert found[name] == content


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the worker is found in /proc")
def test_the_workers_of_a_killed_collection_keep_its_folder_until_they_end(tmp_path: Path) -> None:
    script = (
        "from forethought.data import collect\n"
        f"collect({ROOMS!r}, out={str(tmp_path / 'store')!r}, episodes=2000, options={SHORT!r}, progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not list(tmp_path.glob("store/shards/*")):
        time.sleep(0.002)
    worker = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    os.kill(worker, signal.SIGSTOP)
    process.kill()
    process.wait()
    ended = threading.Event()

    def end_it() -> None:
        ended.set()
        os.kill(worker, signal.SIGCONT)

    threading.Timer(0.5, end_it).start()
    with claimed(tmp_path / "store"):
        assert ended.is_set()


def test_resume_opens_a_finished_store_and_begins_a_missing_one(tmp_path: Path) -> None:
    first = here(tmp_path / "store", resume=True)
    stamp = (tmp_path / "store" / "manifest.json").stat().st_mtime_ns
    again = here(tmp_path / "store", resume=True)
    assert again.num_episodes == first.num_episodes
    assert (tmp_path / "store" / "manifest.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": 4}, "was begun with seed 3, not 4"),
        ({"episodes": 151}, "was begun with episodes 150, not 151"),
        ({"policy": "random"}, "was begun with policy 'mixed', not 'random'"),
        ({"block": 2}, "was begun with block 5, not 2"),
        ({"options": {"max_steps": 15}}, "was begun with options"),
    ],
)
def test_resume_with_other_settings_is_refused(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    here(tmp_path / "store", episodes=150)
    with pytest.raises(ForethoughtError, match=sentence):
        here(tmp_path / "store", resume=True, **change)


def test_a_damaged_shard_is_named_on_resume(tmp_path: Path) -> None:
    here(tmp_path / "store")
    (tmp_path / "store" / "manifest.json").unlink()
    path = tmp_path / "store" / "shards" / "00001" / "actions.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    with pytest.raises(CorruptFileError, match="00001/actions.npy does not match its checksum"):
        here(tmp_path / "store", resume=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"episodes": 0}, "collect needs 1 or more episodes"),
        ({"workers": -1}, "number of workers can't be -1: give a whole number from 0"),
        ({"policy": "mixt"}, "has no policy 'mixt'; did you mean 'mixed'"),
        ({"block": 11}, "a block of 11 steps does not fit an episode of forethought/Rooms-v0; use 1 to 10"),
        ({"block": 0}, "a block of 0 steps does not fit"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ForethoughtError, match=sentence):
        here(tmp_path / "store", **change)
    assert not (tmp_path / "store").exists()


def test_an_unknown_world_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match=r"did you mean 'forethought/Rooms-v0'"):
        collect("forethought/Roms-v0", out=tmp_path / "store", episodes=3)
    assert not (tmp_path / "store").exists()


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    here(tmp_path / "store", episodes=1)
    with pytest.raises(ForethoughtError, match="already holds something"):
        here(tmp_path / "store", episodes=1)


def test_the_block_can_be_chosen(tmp_path: Path) -> None:
    store = here(tmp_path / "store", episodes=2, block=3)
    assert store.block == 3
    assert store.lengths_with_partial.tolist() == [4, 4]
    assert store.lengths.tolist() == [3, 3]
    assert store.rows("actions", np.array([0])).shape == (1, 6)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_world_in_which_nothing_works_is_given_up_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    options = {"arguments": {"trouble": {"*": "raise"}}, "size": 8, "max_steps": 6, "block": 2}
    with pytest.raises(ForethoughtError, match=f"the first 8 episodes of {TROUBLED} all failed; .*: a wheel came off"):
        collect(TROUBLED, out=tmp_path / "store", episodes=20, options=options, workers=workers, progress=False)


def test_plain_lines_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("forethought.data.collection.SECONDS_BETWEEN_LINES", 0)
    with caplog.at_level(logging.INFO):
        here(tmp_path / "store", episodes=SHARD_EPISODES, progress=True)
    assert f"{SHARD_EPISODES} of {SHARD_EPISODES} episodes" in caplog.text


def test_an_interruption_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("forethought.data.shard_units.record_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        here(tmp_path / "store", progress=True)
    assert "continue with --resume" in caplog.text
