"""Losses are bounded and counted; what is recorded survives; a resumed collection is the same store."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from forethought.data import Failure, StoreWriter, collect
from forethought.data.recorder import seed_of
from forethought.data.shard_writer import ShardWriter, discard, publish_shard, read_journal, recording_path
from forethought.data.statistics import exact_moments
from forethought.data.store_format import shard_path
from forethought.errors import ForethoughtError
from forethought.types import Episode, WorldSpec

TROUBLE: dict[int, str] = {}


class Walk(gymnasium.Env[Any, Any]):
    observation_space = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.trouble, self.at = TROUBLE.get(seed or 0), np.zeros(2, np.float32)
        return self.at, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.trouble == "crash":
            raise RuntimeError("a wheel came off")
        while self.trouble == "hang":
            pass
        self.at = self.at + np.asarray(action, np.float32)
        return self.at * (np.float32("nan") if self.trouble == "nan" else 1), 0.0, False, False, {}


gymnasium.register("LossyWalk-v0", Walk)


def go(out: Path, trouble: dict[int, str], **asked: Any) -> Any:
    TROUBLE.clear()
    TROUBLE.update({seed_of(0, number): what for number, what in trouble.items()})
    options = {"streams": ["proprioception"], "max_steps": 10}
    return collect("LossyWalk-v0", out=out, episodes=20, workers=0, options=options, progress=False, **asked)


def content(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_a_nan_a_crash_and_a_hang_cost_their_episodes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = go(tmp_path / "s", {3: "nan", 5: "crash", 8: "hang"}, patience=0.5, max_lost=0.2)
    assert store.num_episodes == 17
    assert [(failure.number, failure.seed) for failure in store.failures] == [(n, seed_of(0, n)) for n in (3, 5, 8)]
    for failure, word in zip(store.failures, ("NaN", "a wheel came off", "no sign of life for 0.5 s"), strict=True):
        assert word in failure.reason
    assert "3 of 20 episodes were lost" in caplog.text


def test_more_than_a_tenth_stops_and_resumes_after_the_failed_ones(tmp_path: Path) -> None:
    trouble = {4: "crash", 6: "nan", 9: "crash", 12: "crash"}
    with pytest.raises(
        ForethoughtError, match="3 of the first 10 episodes .* more than 10% of 20; episode 4: .*episode 6: .*episode 9:"
    ):
        go(tmp_path / "s", trouble)
    assert len(read_journal(recording_path(tmp_path / "s", 0))) == 10
    with pytest.raises(ForethoughtError, match="4 of the first 13"):
        go(tmp_path / "s", trouble, resume=True)
    store = go(tmp_path / "s", trouble, resume=True)
    assert (store.num_episodes, len(store.failures)) == (16, 4)
    go(tmp_path / "t", trouble, max_lost=0.5)
    assert content(tmp_path / "s") == content(tmp_path / "t")


def test_a_world_at_fault_from_the_start_is_tried_again(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="the first 8 episodes of LossyWalk-v0 all failed"):
        go(tmp_path / "s", dict.fromkeys(range(20), "crash"))
    assert go(tmp_path / "s", {}, resume=True).num_episodes == 20


@pytest.mark.parametrize("cut", ["journal", "file", "flip"])
def test_what_a_kill_leaves_half_written_is_cut_off(tmp_path: Path, spec: WorldSpec, episodes: list[Episode], cut: str) -> None:
    folder = tmp_path / ".recording-00000"
    writer = ShardWriter(folder, spec, 2)
    for number in range(3):
        writer.add(episodes[number], number)
    if cut == "journal":
        journal = folder.with_name(folder.name + ".jsonl")
        journal.write_bytes(journal.read_bytes()[:-5])
    else:
        path = folder / "pixels.npy"
        path.write_bytes(path.read_bytes()[:-1] + (b"" if cut == "file" else bytes([path.read_bytes()[-1] ^ 1])))
    again = ShardWriter(folder, spec, 2)
    assert again.numbers == {0, 1}
    again.add(episodes[2], 2)
    again.lose(Failure(3, 7, "it crashed"))
    (tmp_path / "shards").mkdir()
    again.publish(tmp_path / "shards" / "00000")
    publish_shard(tmp_path / "other", 0, spec, 2, episodes[:3], [Failure(3, 7, "it crashed")])
    assert content(tmp_path / "shards" / "00000") == content(shard_path(tmp_path / "other", 0))
    assert not folder.exists()
    index = json.loads((tmp_path / "shards" / "00000" / "shard.json").read_text())
    assert index["seeds"] == [0, 1, 2]


def test_actions_outside_their_bounds_are_refused(
    tmp_path: Path, spec: WorldSpec, make_episode: Callable[..., Episode]
) -> None:
    episode = make_episode(1)
    wide = Episode(episode.observation, episode.actions * 90, episode.truth, episode.drives, 1)
    with pytest.raises(ForethoughtError, match="the actions range from .* outside the bounds -1 to 1"):
        StoreWriter(tmp_path / "s", spec, 2).append([wide])


def test_moments_keep_their_digits() -> None:
    values = np.stack([1.7e9 + np.arange(5000) % 2 * 1e-3, np.arange(5000) % 1000 == 0, np.arange(5000.0)], axis=1)
    found = exact_moments(lambda rows: values[rows], np.arange(5000))
    assert found.std[0] == 0
    np.testing.assert_allclose(found.mean[1:], [0.001, 2499.5])
    np.testing.assert_allclose(found.std[1:], values[:, 1:].std(axis=0))
    np.testing.assert_allclose(found.far[1:], [0.999, 2499.5])


def test_leftovers_on_a_read_only_file_system_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ForethoughtError, match="could not write .*: Read-only file system"):
        discard(recording_path(tmp_path, 0))
