"""A manifest from a stranger, with a valid seal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import tiny
from forethought.atomic_io import read_sealed, write_sealed
from forethought.data.store import EpisodeStore
from forethought.errors import CorruptFileError, ForethoughtError


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("block",), 0), (("block",), 10**30), (("episodes", "length", 0), "x"), (("episodes", "length", 0), 10**12),
        (("episodes", "start", 1), 6), (("episodes", "held_out"), [True]),
         (("episodes", "whole", 0), -1), (("failures",), None),
        (("shards", 0), 3), (("shards", 0, "name"), "../../x"), (("shards", 0, "rows"), 7), (("shards", 0, "files"), []),
        (("world", "streams", 0, "name"), 0.5), (("world", "streams", 0, "dtype"), "nothing"), (("world", "truth"), []),
        (("world", "streams", 0, "dtype"), "\ud800"), (("world",), None), (("world",), []),
    ],
)  # fmt: skip
def test_a_crafted_manifest_is_refused(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    store = tmp_path / "store"
    shutil.copytree(tiny.point_store(False).path, store)
    manifest = read_sealed(store / "manifest.json", "the manifest")
    inner = manifest
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    write_sealed(store / "manifest.json", manifest)
    with pytest.raises(CorruptFileError, match=r"manifest\.json"):
        EpisodeStore.open(store)


NEEDED = ("world", "block", "recipe", "episodes", "failures", "shards", "schema")


@pytest.mark.parametrize("name", NEEDED)
def test_a_manifest_that_lacks_a_field_is_refused(tmp_path: Path, name: str) -> None:
    store = tmp_path / "store"
    shutil.copytree(tiny.point_store(False).path, store)
    manifest = read_sealed(store / "manifest.json", "the manifest")
    del manifest[name]
    write_sealed(store / "manifest.json", manifest)
    with pytest.raises(ForethoughtError):
        EpisodeStore.open(store)
