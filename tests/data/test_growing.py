from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forethought.data.growing import GrowingStore
from forethought.data.shard_writer import recording_path
from forethought.data.store_format import SHARDS
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.online.dataset import DATASET
from life_fixtures import LENGTHS, make_life, walk, walk_spec

SPEC = walk_spec(drives=("pain", "hunger"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    make_life(tmp_path / "run", SPEC)
    return tmp_path / "run"


def test_reads_published_episodes_and_those_being_recorded(run: Path) -> None:
    store = GrowingStore(run / DATASET)
    assert store.lengths.tolist() == list(LENGTHS)
    for number, length in enumerate(LENGTHS):
        expected = walk(SPEC, length, number)
        np.testing.assert_array_equal(store.rows("numbers", number), expected.observation["numbers"])
        np.testing.assert_array_equal(store.rows("actions", number)[:-1], expected.actions)
        np.testing.assert_allclose(store.sums("drives")[number], expected.drives.astype(np.float64).sum(0), rtol=1e-12)
    np.testing.assert_array_equal(store.rows("numbers", -1), store.rows("numbers", len(LENGTHS) - 1))


def test_leaves_the_folder_as_it_is(run: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}

    before = content()
    store = GrowingStore(run / DATASET)
    store.rows("numbers", -1)
    store.sums("rewards")
    assert content() == before


def test_an_episode_that_a_kill_cut_off_is_left_out(run: Path) -> None:
    folder = recording_path(run / DATASET, 1)
    with (folder / "numbers.npy").open("ab") as file:
        file.write(b"half a row")
    with folder.with_name(folder.name + ".jsonl").open("ab") as file:
        file.write(b'{"number": 5, "files"')
    assert GrowingStore(run / DATASET).lengths.tolist() == list(LENGTHS)


def test_recent_episodes_have_enough_rows(run: Path) -> None:
    store = GrowingStore(run / DATASET)
    assert list(store.recent(41)) == [4]
    assert list(store.recent(42)) == [3, 4]
    assert list(store.recent(10_000)) == list(range(len(LENGTHS)))


def test_says_what_is_missing(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="recipe"):
        GrowingStore(tmp_path / "elsewhere")
    store = GrowingStore(run / DATASET)
    (run / DATASET / SHARDS / "00000" / "numbers.npy").unlink()
    with pytest.raises(CorruptFileError, match=r"numbers.npy cannot be read now .*try again"):
        store.rows("numbers", 0)


def test_a_store_without_an_episode(tmp_path: Path) -> None:
    from forethought.data.writer import StoreWriter

    StoreWriter(tmp_path / "store", SPEC, 1)
    with pytest.raises(ForethoughtError, match="no episode yet"):
        GrowingStore(tmp_path / "store")
