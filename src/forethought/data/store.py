"""The episode store: recorded episodes as memory-mapped arrays, read as clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.atomic_io import check_sizes, checksums_of, read_sealed, sha256_of, verify_folder
from forethought.data.statistics import SAMPLE, Sample, StoreStatistics, measure
from forethought.data.store_format import (
    MANIFEST,
    RECIPE,
    SHARDS,
    Failure,
    arrays_of,
    check_schema,
    open_array,
    spec_from_json,
)
from forethought.errors import CorruptFileError, ForethoughtError, did_you_mean
from forethought.types import Clips, Episode, WorldSpec

SPLITS = ("train", "heldout")


class EpisodeStore:
    """A finished store, read-only. `EpisodeStore.open(path)` makes one.

    Attributes:
        path: its folder.
        spec: the world that it was recorded in.
        block: environment steps per row.
        recipe: how it was collected (world, options, policy, seed, episodes asked for), JSON values.
        lengths: int64 [episodes], in blocks T; an episode has T + 1 rows.
        starts: int64 [episodes], the first row of each episode, counted through the whole store.
        seeds: int64 [episodes], what `World.reset` was given.
        train, heldout: int64, the numbers of the episodes on either side of the split.
        failures: the episodes that could not be recorded, with their seeds.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        """From a manifest that was read and checked; use `EpisodeStore.open`."""
        self.path = path
        self.spec: WorldSpec = spec_from_json(manifest["world"], path / MANIFEST)
        self.block: int = manifest["block"]
        self.recipe: dict[str, Any] = manifest["recipe"]
        self.failures = tuple(Failure(**failure) for failure in manifest["failures"])
        index = manifest["episodes"]
        self.lengths = np.array(index["length"], np.int64)
        self.seeds = np.array(index["seed"], np.int64)
        self.starts = np.array(index["start"], np.int64)
        held_out = np.array(index["held_out"], np.bool_)
        self.train, self.heldout = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        self._shards = [shard for shard in manifest["shards"] if shard["rows"] > 0]
        # Row r of the store is row r - _first[s] of shard s, the last one with _first[s] <= r.
        self._first = np.cumsum([0, *(shard["rows"] for shard in self._shards)])
        self._rows = arrays_of(self.spec, self.block)
        self._open: dict[tuple[str, int], NDArray[Any]] = {}

    @staticmethod
    def open(path: Path | str) -> EpisodeStore:
        """Opens a finished store, after the cheap check (schema, index, every file there with its size).

        Raises:
            ForethoughtError: no such folder, not a store, unfinished, empty, or of another schema.
            CorruptFileError: damaged; names the file.
        """
        path = Path(path)
        if not path.is_dir():
            raise ForethoughtError(f"no store at {path}; make one with `forethought collect WORLD --out {path}`.")
        if not (path / MANIFEST).exists():
            if (path / RECIPE).exists():
                raise ForethoughtError(
                    f"the store at {path} is unfinished; run `forethought collect ... --out {path} --resume`."
                )
            raise ForethoughtError(f"{path} is not a store (no {MANIFEST}); name a folder made by `forethought collect`.")
        manifest = read_sealed(path / MANIFEST, "the store's manifest")
        check_schema(manifest, path)
        if not manifest["episodes"]["length"]:
            raise ForethoughtError(f"the store at {path} is empty; collect at least one episode.")
        for shard in manifest["shards"]:
            check_sizes(path / SHARDS / shard["name"], shard["files"])
        return EpisodeStore(path, manifest)

    @property
    def fingerprint(self) -> str:
        """Checksum of the manifest, which holds those of all files: two stores with the same one hold the same bytes."""
        return sha256_of(self.path / MANIFEST)

    @property
    def num_episodes(self) -> int:
        """How many episodes."""
        return len(self.lengths)

    @property
    def num_rows(self) -> int:
        """How many rows, all episodes together."""
        return int(self._first[-1])

    def split(self, name: str) -> NDArray[np.int64]:
        """Episode numbers of `train` or `heldout`.

        Raises:
            ForethoughtError: another name.
        """
        if name not in SPLITS:
            raise ForethoughtError(f"unknown split {name!r} of the store at {self.path}; {did_you_mean(name, SPLITS)}")
        return self.train if name == "train" else self.heldout

    def rows_of(self, episodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Every row of some episodes, one episode after the other: int64 [rows], counted through the whole store."""
        return np.concatenate([self.starts[e] + np.arange(self.lengths[e] + 1) for e in episodes])

    def rows(self, name: str, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Rows of one array, copied out of the files.

        Args:
            name: a stream, `actions`, `drives` or `truth.NAME`.
            indices: int64, any shape, rows counted through the whole store (see `starts`).

        Returns:
            [*indices.shape, ...], in the stored dtype.

        Raises:
            ForethoughtError: unknown name, or a row outside the store.
            CorruptFileError: a file changed since the store was opened.
        """
        if name not in self._rows:
            raise ForethoughtError(f"the store at {self.path} has no {name!r}; {did_you_mean(name, self._rows)}")
        indices = np.asarray(indices, np.int64)
        if indices.size and not 0 <= indices.min() <= indices.max() < self.num_rows:
            raise ForethoughtError(f"the store at {self.path} has rows 0 to {self.num_rows - 1}; asked for others.")
        shape, dtype = self._rows[name]
        shards = np.searchsorted(self._first, indices, side="right") - 1
        involved = np.unique(shards)
        if len(involved) == 1:
            shard = int(involved[0])
            taken: NDArray[Any] = self._array(name, shard).take(indices - self._first[shard], axis=0)
            return taken
        out = np.empty((*indices.shape, *shape), dtype)
        for shard in involved.tolist():
            mine = shards == shard
            out[mine] = self._array(name, shard).take(indices[mine] - self._first[shard], axis=0)
        return out

    def clips(self, episodes: NDArray[np.int64], offsets: NDArray[np.int64], length: int) -> Clips:
        """Windows of `length` blocks (`length` + 1 rows).

        Args:
            episodes: int64 [B], episode numbers.
            offsets: int64 [B], first row of each window within its episode, 0 .. lengths[episode] - length.
            length: T, blocks.

        Raises:
            ForethoughtError: a window leaves its episode; says which.
        """
        episodes, offsets = np.asarray(episodes, np.int64), np.asarray(offsets, np.int64)
        known = (episodes >= 0) & (episodes < self.num_episodes)
        room = self.lengths[np.where(known, episodes, 0)] - length
        wrong = ~known | (offsets < 0) | (offsets > room)
        if length < 0 or wrong.any():
            first = int(np.flatnonzero(wrong)[0]) if wrong.any() else 0
            raise ForethoughtError(
                f"the store at {self.path} has no clip of {length} blocks at offset {offsets[first]} of episode "
                f"{episodes[first]}; ask for shorter clips or smaller offsets."
            )
        rows = (self.starts[episodes] + offsets)[:, None] + np.arange(length + 1)
        return Clips(
            observation={stream.name: self.rows(stream.name, rows) for stream in self.spec.streams},
            actions=self.rows("actions", rows[:, :-1]),
            truth={name: self.rows(f"truth.{name}", rows) for name in self.spec.truth},
            drives=self.rows("drives", rows),
            episode=episodes,
            offset=offsets,
        )

    def read(self, episode: int) -> Episode:
        """One whole episode.

        Raises:
            ForethoughtError: no such episode.
        """
        if not 0 <= episode < self.num_episodes:
            raise ForethoughtError(f"the store at {self.path} has episodes 0 to {self.num_episodes - 1}, not {episode}.")
        clip = self.clips(np.array([episode]), np.array([0]), int(self.lengths[episode]))
        return Episode(
            observation={name: values[0] for name, values in clip.observation.items()},
            actions=clip.actions[0],
            truth={name: values[0] for name, values in clip.truth.items()},
            drives=clip.drives[0],
            seed=int(self.seeds[episode]),
        )

    def statistics(self) -> StoreStatistics:
        """Figures of the training episodes for the configurator, from a fixed sample of rows; under a second."""
        random = np.random.Generator(np.random.Philox(key=[0, self.num_rows]))
        lengths = self.lengths[self.train]
        place = random.integers(int(lengths.sum()), size=SAMPLE)
        chosen = np.searchsorted(np.cumsum(lengths), place, side="right")
        offset = place - (np.cumsum(lengths) - lengths)[chosen]
        start, length = self.starts[self.train][chosen], lengths[chosen]
        now, other = start + offset, start + (offset + random.integers(1, length + 1)) % (length + 1)
        streams = [stream.name for stream in self.spec.streams]
        sample = Sample(
            now={name: self.rows(name, now) for name in streams},
            other={name: self.rows(name, other) for name in streams},
        )
        return measure(sample, lengths, self.num_episodes, self.num_rows)

    def verify(self) -> None:
        """The full check: every byte of every shard against the checksums of the manifest. Reads everything.

        Raises:
            CorruptFileError: names the file.
        """
        manifest = read_sealed(self.path / MANIFEST, "the store's manifest")
        for shard in manifest["shards"]:
            folder = self.path / SHARDS / shard["name"]
            if checksums_of(folder) != shard["files"]:
                raise CorruptFileError(f"{folder} is not the shard that the store's manifest lists; restore it.")
            verify_folder(folder)

    def _array(self, name: str, shard: int) -> NDArray[Any]:
        """One array of one shard, mapped on first use."""
        if (name, shard) not in self._open:
            shape, dtype = self._rows[name]
            entry = self._shards[shard]
            path = self.path / SHARDS / entry["name"] / f"{name}.npy"
            self._open[name, shard] = open_array(path, (entry["rows"], *shape), dtype)
        return self._open[name, shard]
