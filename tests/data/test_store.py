from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from forethought.atomic_io import read_sealed, write_sealed
from forethought.data import EpisodeStore, StoreWriter
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.types import Episode, WorldSpec


def test_episodes_come_back(
    store: EpisodeStore, episodes: list[Episode], spec: WorldSpec, same_episode: Callable[[Episode, Episode], None]
) -> None:
    assert store.spec == spec
    assert store.block == 2
    assert store.recipe == {"policy": "made up"}
    assert store.num_episodes == 30
    assert store.num_rows == sum(len(episode) + 1 for episode in episodes)
    assert store.lengths_with_partial.tolist() == [len(episode) for episode in episodes]
    for number, episode in enumerate(episodes):
        same_episode(store.read(number), episode)


def test_the_split_is_stored(store: EpisodeStore) -> None:
    assert sorted([*store.train, *store.heldout]) == list(range(30))
    assert 0 < len(store.heldout) < 15
    again = EpisodeStore.open(store.path)
    np.testing.assert_array_equal(again.heldout, store.heldout)
    np.testing.assert_array_equal(store.split("heldout"), store.heldout)
    with pytest.raises(ForethoughtError, match="unknown split 'trian' .* did you mean 'train'"):
        store.split("trian")


def test_clips_are_windows_of_their_episodes(store: EpisodeStore, episodes: list[Episode]) -> None:
    numbers, offsets = np.array([29, 0, 11, 11, 12, 10, 28]), np.array([1, 0, 4, 0, 2, 3, 0])
    clips = store.clips(numbers, offsets, 3)
    assert clips.observation["pixels"].shape == (7, 4, 8, 8, 3)
    assert clips.actions.shape == (7, 3, 4)
    for place, (number, offset) in enumerate(zip(numbers, offsets, strict=True)):
        episode, rows = episodes[number], slice(offset, offset + 4)
        for name, values in episode.observation.items():
            np.testing.assert_array_equal(clips.observation[name][place], values[rows], strict=True)
        for name, values in episode.truth.items():
            np.testing.assert_array_equal(clips.truth[name][place], values[rows], strict=True)
        np.testing.assert_array_equal(clips.actions[place], episode.actions[offset : offset + 3])
        np.testing.assert_array_equal(clips.drives[place], episode.drives[rows])


def test_a_clip_does_not_depend_on_its_batch(store: EpisodeStore) -> None:
    numbers, offsets = np.arange(30), np.zeros(30, np.int64)
    together = store.clips(numbers, offsets, 2)
    for number in numbers:
        alone = store.clips(np.array([number]), np.array([0]), 2)
        np.testing.assert_array_equal(alone.observation["pixels"][0], together.observation["pixels"][number])


def test_clips_are_copies(store: EpisodeStore) -> None:
    pixels = store.clips(np.array([0]), np.array([0]), 2).observation["pixels"]
    before = store.read(0).observation["pixels"].copy()
    pixels[:] = 0
    np.testing.assert_array_equal(store.read(0).observation["pixels"], before)


def test_rows(store: EpisodeStore, episodes: list[Episode]) -> None:
    every = np.concatenate([episode.truth["position"] for episode in episodes])
    indices = np.random.default_rng(0).integers(store.num_rows, size=(4, 5))
    np.testing.assert_array_equal(store.rows("truth.position", indices), every[indices])
    last = store.starts + store.lengths_with_partial
    assert not store.rows("actions", last).any()
    assert store.rows("pixels", np.zeros(0, np.int64)).shape == (0, 8, 8, 3)
    with pytest.raises(ForethoughtError, match="has no 'truth.positon'; did you mean 'truth.position'"):
        store.rows("truth.positon", last)
    for wrong in (-1, store.num_rows):
        with pytest.raises(ForethoughtError, match=f"has rows 0 to {store.num_rows - 1}"):
            store.rows("pixels", np.array([wrong]))


@pytest.mark.parametrize(
    ("episode", "offset", "length"), [(0, 1, 3), (0, -1, 2), (30, 0, 1), (-1, 0, 1), (0, 0, 4), (0, 0, -1)]
)
def test_clips_outside_an_episode_are_refused(store: EpisodeStore, episode: int, offset: int, length: int) -> None:
    with pytest.raises(ForethoughtError, match=f"no clip of {length} blocks at offset {offset} of episode {episode};"):
        store.clips(np.array([episode]), np.array([offset]), length)


def test_an_episode_that_is_not_there(store: EpisodeStore) -> None:
    for number in (-1, 30):
        with pytest.raises(ForethoughtError, match=f"has episodes 0 to 29, not {number}"):
            store.read(number)
    assert store.read(True).seed == store.read(1).seed, "True is 1, not a mask over all episodes"


# -- bad stores: one clear sentence each ---------------------------------------------------------------------------------


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="no store at .*none; make one with `forethought collect"):
        EpisodeStore.open(tmp_path / "none")
    with pytest.raises(ForethoughtError, match="is not a store"):
        EpisodeStore.open(tmp_path)


def test_an_unfinished_store_says_how_to_finish_it(tmp_path: Path, spec: WorldSpec, episodes: list[Episode]) -> None:
    StoreWriter(tmp_path / "store", spec, 2).append(episodes)
    with pytest.raises(ForethoughtError, match="is unfinished; run `forethought collect .* --resume`"):
        EpisodeStore.open(tmp_path / "store")


def test_another_schema(store: EpisodeStore) -> None:
    manifest = read_sealed(store.path / "manifest.json", "it")
    write_sealed(store.path / "manifest.json", {**manifest, "schema": 99})
    with pytest.raises(ForethoughtError, match="has schema 99 and this version reads 1 and 2"):
        EpisodeStore.open(store.path)


def test_an_empty_store(store: EpisodeStore) -> None:
    manifest = read_sealed(store.path / "manifest.json", "it")
    manifest["episodes"] = {key: [] for key in manifest["episodes"]}
    write_sealed(store.path / "manifest.json", manifest)
    with pytest.raises(ForethoughtError, match="is empty; collect at least one episode"):
        EpisodeStore.open(store.path)


def test_a_missing_shard(store: EpisodeStore) -> None:
    shutil.rmtree(store.path / "shards" / "00001")
    with pytest.raises(CorruptFileError, match=r"shards/00001/.*npy is missing"):
        EpisodeStore.open(store.path)


def test_truncation_is_found_on_opening_at_every_length(store: EpisodeStore) -> None:
    path = store.path / "shards" / "00001" / "actions.npy"
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptFileError, match="actions.npy has .* bytes instead of"):
            EpisodeStore.open(store.path)


def test_every_flipped_byte_of_a_shard_is_found(store: EpisodeStore) -> None:
    for path in sorted((store.path / "shards" / "00001").iterdir()):
        whole = path.read_bytes()
        for place in [*range(0, len(whole), 43), len(whole) - 1]:
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
            with pytest.raises(CorruptFileError, match="00001"):
                EpisodeStore.open(store.path).verify()
        path.write_bytes(whole)
    store.verify()


def test_a_damaged_manifest(store: EpisodeStore) -> None:
    path = store.path / "manifest.json"
    text = path.read_text()
    path.write_text(text.replace('"block": 2', '"block": 3'))
    with pytest.raises(CorruptFileError, match="manifest.json: the store's manifest does not match its own checksum"):
        EpisodeStore.open(store.path)
    path.write_text(text[:-20])
    with pytest.raises(CorruptFileError, match="manifest.json: the store's manifest is not valid JSON"):
        EpisodeStore.open(store.path)


def test_a_shard_of_another_store_is_found(store: EpisodeStore, tmp_path: Path, spec: WorldSpec) -> None:
    other = StoreWriter(tmp_path / "other", spec, 2)
    episode = store.read(11)
    other.append([Episode(episode.observation, episode.actions, episode.truth, episode.drives + 1, episode.seed)])
    shutil.rmtree(store.path / "shards" / "00001")
    shutil.copytree(tmp_path / "other" / "shards" / "00000", store.path / "shards" / "00001")
    with pytest.raises(CorruptFileError, match="00001 is not the shard that the store's manifest lists"):
        store.verify()


def test_a_file_that_shrinks_after_opening_is_named(store: EpisodeStore) -> None:
    again = EpisodeStore.open(store.path)
    path = store.path / "shards" / "00001" / "pixels.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CorruptFileError, match="pixels.npy is missing or damaged"):
        again.read(11)


def test_the_manifest_is_plain_json(store: EpisodeStore) -> None:
    manifest = json.loads((store.path / "manifest.json").read_text())
    assert manifest["counts"] == {"episodes": 30, "rows": store.num_rows, "failures": 0}
