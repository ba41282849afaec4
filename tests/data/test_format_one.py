"""Stores of version 1 of the dataset format open, and are not written on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from forethought.atomic_io import publish_folder, write_json, write_sealed
from forethought.data import EpisodeStore, StoreWriter
from forethought.errors import ForethoughtError
from forethought.types import Episode, WorldSpec


def write_version_one(path: Path, spec: WorldSpec, episodes: list[Episode]) -> None:
    """The layout of version 1, written by hand."""
    shard = path / "shards" / ".building-0"
    shard.mkdir(parents=True)
    lengths, seeds = [len(episode) for episode in episodes], [episode.seed for episode in episodes]
    columns = {name: [episode.observation[name] for episode in episodes] for name in ("pixels", "proprioception")}
    columns["actions"] = [np.concatenate([episode.actions, np.zeros((1, 4), np.float32)]) for episode in episodes]
    columns["drives"] = [episode.drives for episode in episodes]
    columns |= {f"truth.{name}": [episode.truth[name] for episode in episodes] for name in spec.truth}
    for name, parts in columns.items():
        np.save(shard / f"{name}.npy", np.concatenate(parts))
    write_json(shard / "shard.json", {"lengths": lengths, "seeds": seeds, "failures": []})
    publish_folder(shard, path / "shards" / "00000")
    world = asdict(spec)
    for stream in world["streams"]:
        del stream["kind"]
    head = {"schema": 1, "world": json.loads(json.dumps(world)), "block": 2}
    write_sealed(path / "recipe.json", {**head, "held_out": 0.1, "asked": {}})
    files = json.loads((path / "shards" / "00000" / "checksums.json").read_text())["files"]
    rows = sum(lengths) + len(lengths)
    starts = np.cumsum([0, *(length + 1 for length in lengths)])[:-1].tolist()
    held_out = [number == 0 for number in range(len(lengths))]
    index = {"length": lengths, "seed": seeds, "start": starts, "held_out": held_out}
    counts = {"episodes": len(lengths), "rows": rows, "failures": 0}
    body = {"recipe": {}, "held_out": 0.1, "counts": counts, "episodes": index, "failures": []}
    write_sealed(path / "manifest.json", {**head, **body, "shards": [{"name": "00000", "rows": rows, "files": files}]})


def test_version_one_opens(
    tmp_path: Path, spec: WorldSpec, episodes: list[Episode], same_episode: Callable[[Episode, Episode], None]
) -> None:
    write_version_one(tmp_path / "old", spec, episodes)
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in (tmp_path / "old").rglob("*") if path.is_file()}
    store = EpisodeStore.open(tmp_path / "old")
    store.verify()
    assert (store.schema, store.spec) == (1, spec)
    assert [stream.kind for stream in store.spec.streams] == ["image", "vector"]
    for number, episode in enumerate(episodes):
        found = store.read(number)
        same_episode(found, episode)
        assert not found.rewards.any()
        assert found.rewards.dtype == np.float32
        assert not found.terminated.any()
        assert found.truncated.tolist() == [False] * len(episode) + [True]
        assert found.steps.tolist() == [2] * len(episode)
    np.testing.assert_array_equal(store.lengths, store.lengths_with_partial)
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in before} == before


def test_an_unfinished_store_of_version_one_is_not_written_on(tmp_path: Path, spec: WorldSpec, episodes: list[Episode]) -> None:
    write_version_one(tmp_path / "old", spec, episodes)
    (tmp_path / "old" / "manifest.json").unlink()
    with pytest.raises(ForethoughtError, match="begun in version 1 of the format, and this one writes 2; collect it anew"):
        StoreWriter.resume(tmp_path / "old")
