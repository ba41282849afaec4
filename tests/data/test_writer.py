from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crashing_env import KILLED, in_child
from forethought.data import EpisodeStore, Failure, StoreWriter
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec

EVERY = 8


@pytest.fixture
def small() -> WorldSpec:
    streams = (StreamSpec("proprioception", (1,), "float32"),)
    return WorldSpec("small", {}, streams, ActionSpace("continuous", 1, (-1.0,), (1.0,)), 4, 2)


def small_episode(seed: int) -> Episode:
    values = np.full((3, 1), seed, np.float32)
    return Episode({"proprioception": values}, values[:2].repeat(2, 1) / 10, {}, values[:, :0], seed)


@pytest.mark.parametrize("first", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in range(1, EVERY))])
def test_a_writer_killed_at_any_operation_keeps_what_it_reported(
    tmp_path: Path, small: WorldSpec, first: int, same_episode: Callable[[Episode, Episode], None]
) -> None:
    """At the n-th operation on files, for all n until the whole act comes through; then on with `resume`."""
    spec, kills = small, 0
    episodes = [small_episode(seed) for seed in range(6)]
    for moment in range(1 + first, 1000, EVERY):
        path = tmp_path / f"store{moment}"

        def act(path: Path = path) -> None:
            writer = StoreWriter(path, spec, 2)
            for shard in range(2):
                writer.append(episodes[3 * shard : 3 * shard + 3])
                reported = path.with_suffix(".reported")
                reported.write_text(str(shard + 1))
            writer.finalise()

        code = in_child(act, kill_at=moment)
        assert code in (0, KILLED)
        reported = path.with_suffix(".reported")
        promised = int(reported.read_text() or 0) if reported.exists() else 0
        begun = (path / "recipe.json").exists()
        writer = StoreWriter.resume(path) if begun else StoreWriter(path, spec, 2)
        assert len(writer.shards) >= promised
        for shard in range(len(writer.shards), 2):
            writer.append(episodes[3 * shard : 3 * shard + 3])
        store = writer.finalise()
        store.verify()
        assert store.num_episodes == 6
        for number in range(6):
            same_episode(store.read(number), episodes[number])
        if code == 0:
            break
        kills += 1
    assert code == 0
    assert kills * EVERY > 50


def test_a_full_disk_keeps_the_earlier_shards(tmp_path: Path, spec: WorldSpec, episodes: list[Episode]) -> None:
    writer = StoreWriter(tmp_path / "store", spec, 2)
    writer.append(episodes[:3])
    for largest in (0, 1, 127, 128, 200, 500, 1000, 2000):
        assert in_child(lambda: writer.append(episodes[3:6]), largest_file=largest) == 1
        assert StoreWriter.resume(tmp_path / "store").shards == [0]
    writer.append(episodes[3:6])
    assert writer.finalise().num_episodes == 6


def test_a_full_disk_is_one_sentence(
    tmp_path: Path, spec: WorldSpec, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = StoreWriter(tmp_path / "store", spec, 2)

    plain = Path.open

    def full(path: Path, mode: str = "r", *rest: object, **named: object) -> object:
        if mode == "ab":
            raise OSError("4096 requested and 512 written")
        return plain(path, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(ForethoughtError, match="could not write .*4096 requested and 512 written; free some space"):
        writer.append(episodes)


def test_a_folder_in_use_is_refused(tmp_path: Path, spec: WorldSpec, store: EpisodeStore) -> None:
    with pytest.raises(ForethoughtError, match="already holds something; choose another folder, or --resume"):
        StoreWriter(store.path, spec, 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(ForethoughtError, match="already holds something"):
        StoreWriter(tmp_path / "file", spec, 2)


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="no unfinished store at .*; start one without --resume"):
        StoreWriter.resume(tmp_path)


def test_resume_finds_a_flipped_byte(tmp_path: Path, spec: WorldSpec, episodes: list[Episode]) -> None:
    StoreWriter(tmp_path / "store", spec, 2).append(episodes)
    path = tmp_path / "store" / "shards" / "00000" / "pixels.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFileError, match="pixels.npy does not match its checksum"):
        StoreWriter.resume(tmp_path / "store")


def test_a_store_of_nothing_is_refused(tmp_path: Path, spec: WorldSpec) -> None:
    writer = StoreWriter(tmp_path / "store", spec, 2)
    writer.append([], [Failure(0, 1, "it crashed")])
    with pytest.raises(ForethoughtError, match="no episode was recorded"):
        writer.finalise()


def test_failures_are_kept(tmp_path: Path, spec: WorldSpec, episodes: list[Episode]) -> None:
    writer = StoreWriter(tmp_path / "store", spec, 2, held_out=0.5)
    failures = [Failure(3, 77, "it crashed"), Failure(5, 78, "it hung")]
    writer.append(episodes[:4], failures[:1])
    writer.append([], failures[1:])
    writer.append(episodes[4:])
    store = writer.finalise()
    assert list(store.failures) == failures
    assert store.num_episodes == 30
    assert 8 < len(store.heldout) < 22


def test_finishing_clears_away_what_a_killed_process_left(tmp_path: Path, spec: WorldSpec, episodes: list[Episode]) -> None:
    writer = StoreWriter(tmp_path / "store", spec, 2)
    writer.append(episodes)
    (tmp_path / "store" / "shards" / ".building-00001-77").mkdir()
    writer.finalise()
    assert [path.name for path in (tmp_path / "store" / "shards").iterdir()] == ["00000"]
