"""The episode store: a dataset of recorded episodes as memory-mapped arrays, read as clips, rows or episodes."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.atomic_io import check_sizes, checksums_of, sha256_of, verify_folder
from forethought.data.manifest import check_spec_types, read_manifest
from forethought.data.statistics import SAMPLE, Sample, StoreStatistics, exact_moments, leading_stream, measure, within_bounds
from forethought.data.store_format import (
    MANIFEST,
    OUTCOME,
    RECIPE,
    SHARDS,
    Failure,
    arrays_of,
    check_actions,
    open_array,
    short_seed,
    spec_from_json,
)
from forethought.data.text_column import SUFFIX, unpack
from forethought.errors import CorruptFileError, ForethoughtError, did_you_mean, require_whole
from forethought.types import Clips, Episode, WorldSpec
from forethought.worlds.goals import LONGEST_GAP, start_at_reset

SPLITS = ("train", "heldout")

log = logging.getLogger(__name__)


class EpisodeStore:
    """A finished store, read-only. Open it with `EpisodeStore.open(path)`.

    Attributes:
        path: its folder.
        spec: the world that it was recorded in.
        block: environment steps per row.
        recipe: the request of the collection (world, options, policy, seed, episodes), JSON values.
        schema: version of the format, see `store_format`.
        lengths: int64 [episodes], whole blocks of each episode. Models train on these, because a partial block does not lead
            to the state that the whole block would have reached.
        lengths_with_partial: int64 [episodes], blocks T, a partial last one included; an episode has T + 1 rows.
        starts: int64 [episodes], the first row of each episode, numbered over the whole store.
        seeds: int64 [episodes], the seeds of `World.reset`, hashed where they have more bits; `read` gives them whole.
        train, heldout: int64, episode numbers of the two splits.
        failures: the episodes that could not be recorded, with their seeds.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        """From a verified manifest; use `EpisodeStore.open`."""
        self.path = path
        self.spec: WorldSpec = spec_from_json(manifest["world"], path / MANIFEST)
        check_spec_types(self.spec, path / MANIFEST)
        self.block: int = manifest["block"]
        self.schema: int = manifest["schema"]
        self.recipe: dict[str, Any] = manifest["recipe"]
        self.failures = tuple(Failure(**failure) for failure in manifest["failures"])
        index = manifest["episodes"]
        self.lengths_with_partial = np.array(index["length"], np.int64)
        self.lengths = np.array(index.get("whole", index["length"]), np.int64)
        self._own_seeds: list[int] = index["seed"]
        self.seeds = np.array([short_seed(seed) for seed in self._own_seeds], np.int64)
        self.starts = np.array(index["start"], np.int64)
        held_out = np.array(index["held_out"], np.bool_)
        self.train, self.heldout = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        self._shards = [shard for shard in manifest["shards"] if shard["rows"] > 0]
        # Row r of the store is row r - _first[s] of shard s, the last one with _first[s] <= r.
        self._first = np.cumsum([0, *(shard["rows"] for shard in self._shards)])
        self._rows = arrays_of(self.spec, self.block, self.schema)
        self._texts = {stream.name for stream in self.spec.streams if stream.kind == "text"}
        # Version 1 lacks these columns: their values follow from the lengths.
        self._derived = {name: dtype for name, dtype in OUTCOME.items() if name not in self._rows}
        self._open: dict[tuple[str, int], NDArray[Any]] = {}

    @staticmethod
    def open(path: Path | str) -> EpisodeStore:
        """Open a finished store, after a cheap check (schema, index, existence and size of each file).

        Raises:
            ForethoughtError: the folder does not exist, is no store, or the store is unfinished, empty or of another schema.
            ForethoughtError: an action lies outside its bounds.
            CorruptFileError: a file is damaged; names it.
        """
        if not isinstance(path, str | Path):
            raise ForethoughtError(f"a store can't be {path!r}: give its folder.")
        path = Path(path)
        if not path.is_dir():
            raise ForethoughtError(f"no store at {path}; make one with `forethought collect WORLD --out {path}`.")
        if not (path / MANIFEST).exists():
            if (path / RECIPE).exists():
                raise ForethoughtError(
                    f"the store at {path} is unfinished; run `forethought collect ... --out {path} --resume`."
                )
            raise ForethoughtError(f"{path} is not a store (no {MANIFEST}); name a folder made by `forethought collect`.")
        manifest = read_manifest(path)
        for shard in manifest["shards"]:
            check_sizes(path / SHARDS / shard["name"], shard["files"])
        store = EpisodeStore(path, manifest)
        store._check_actions()
        return store

    def require_splits(self) -> None:
        """Require training and held-out episodes.

        Raises:
            ForethoughtError: there is one episode, or all have one seed, by which the split is chosen.
        """
        if len(self.train) and len(self.heldout):
            return
        if len(np.unique(self.seeds)) == 1 and self.num_episodes > 1:
            raise ForethoughtError(
                f"all {self.num_episodes} episodes of the store at {self.path} carry the seed {self._own_seeds[0]}, and "
                "held-out episodes are chosen by their seeds: give each recorded episode a seed of its own, such as its number."
            )
        if not len(self.heldout):
            raise ForethoughtError(f"the store at {self.path} has no held-out episode to test on: collect at least 2 episodes.")
        raise ForethoughtError(f"the store at {self.path} has no episode to train on: lower `held_out`, or collect more.")

    def resplit(self, train: NDArray[np.int64], heldout: NDArray[np.int64]) -> EpisodeStore:
        """The same store with other splits, given as episode numbers."""
        other = copy.copy(self)
        other.train, other.heldout = train, heldout
        return other

    @property
    def fingerprint(self) -> str:
        """Checksum of the manifest, which contains the checksums of all files: equal fingerprints mean equal content."""
        return sha256_of(self.path / MANIFEST)

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self.lengths_with_partial)

    @property
    def num_rows(self) -> int:
        """Number of rows over all episodes."""
        return int(self._first[-1])

    def split(self, name: str) -> NDArray[np.int64]:
        """Episode numbers of `train` or `heldout`.

        Raises:
            ForethoughtError: `name` is no split.
        """
        if name not in SPLITS:
            raise ForethoughtError(f"unknown split {name!r} of the store at {self.path}; {did_you_mean(name, SPLITS)}")
        return self.train if name == "train" else self.heldout

    def rows_of(self, episodes: NDArray[np.int64], whole: bool = False) -> NDArray[np.int64]:
        """Row numbers of these episodes, in order: int64 [rows], numbered over the whole store.

        `whole`: without the row at the end of a partial block.
        """
        lengths = self.lengths if whole else self.lengths_with_partial
        return np.concatenate([self.starts[e] + np.arange(lengths[e] + 1) for e in episodes])

    def rows(self, name: str, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Read rows of one array into memory.

        Args:
            name: a stream, `actions`, `drives`, `rewards`, `terminated`, `truncated`, `steps` (of the block taken from the
                row; 0 in an episode's last row) or `truth.NAME`.
            indices: int64, any shape, rows numbered over the whole store (see `starts`).

        Returns:
            [*indices.shape, ...], in the stored dtype; strings for a text stream.

        Raises:
            ForethoughtError: the name is unknown, or a row lies outside the store.
            CorruptFileError: a file changed since the store was opened.
        """
        if name not in self._rows and name not in self._derived:
            raise ForethoughtError(f"the store at {self.path} has no {name!r}; {did_you_mean(str(name), self._rows)}")
        indices = np.asarray(indices)
        if indices.dtype.kind not in "iu" and indices.size:
            raise ForethoughtError(f"rows of the store at {self.path} are numbered, not {indices.dtype}; give whole numbers.")
        indices = indices.astype(np.int64)
        if indices.size and not 0 <= indices.min() <= indices.max() < self.num_rows:
            raise ForethoughtError(
                f"the store at {self.path} has rows 0 to {self.num_rows - 1}, not "
                f"{int(indices.min())} to {int(indices.max())}; ask for rows of the store."
            )
        if name in self._derived:
            return self._derive(name, indices)
        shape, dtype = self._rows[name]
        shards = np.searchsorted(self._first, indices, side="right") - 1
        used_shards = np.unique(shards)
        if name in self._texts:
            return self._text(name, indices, shards)
        if len(used_shards) == 1:
            shard = int(used_shards[0])
            rows: NDArray[Any] = self._array(name, shard).take(indices - self._first[shard], axis=0)
            return rows
        out = np.empty((*indices.shape, *shape), dtype)
        for shard in used_shards.tolist():
            in_shard = shards == shard
            out[in_shard] = self._array(name, shard).take(indices[in_shard] - self._first[shard], axis=0)
        return out

    def gives_rewards(self) -> bool:
        """Whether any recorded reward is not 0. It reads shard by shard, and only as far as the first that has one."""
        return "rewards" in self._rows and any(self._array("rewards", shard).any() for shard in range(len(self._shards)))

    def _derive(self, name: str, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Columns that version 1 lacks: rewards 0, all blocks whole, each episode truncated at its last row."""
        last = np.isin(indices, self.starts + self.lengths_with_partial)
        values = {"truncated": last, "steps": np.where(last, 0, self.block)}.get(name, np.zeros(indices.shape))
        return values.astype(self._derived[name])

    def _text(self, name: str, indices: NDArray[np.int64], shards: NDArray[np.int64]) -> NDArray[Any]:
        """Texts of rows; `shards` holds the shard of each row."""
        texts = np.full(indices.shape, "", object)
        for shard in np.unique(shards).tolist():
            in_shard = shards == shard
            spans = self._array(name, shard).take(indices[in_shard] - self._first[shard], axis=0)
            texts[in_shard] = unpack(spans, self._array(name + SUFFIX, shard), str(self._file(name + SUFFIX, shard)))
        return texts.astype(np.str_)

    def clips(self, episodes: NDArray[np.int64], offsets: NDArray[np.int64], length: int) -> Clips:
        """Read windows of `length` blocks (`length` + 1 rows).

        Args:
            episodes: int64 [B], episode numbers.
            offsets: int64 [B], first row of each window within its episode, 0 .. lengths[episode] - length.
            length: T, blocks.

        Raises:
            ForethoughtError: a window exceeds its episode; names the window.
        """
        episodes, offsets = np.asarray(episodes, np.int64), np.asarray(offsets, np.int64)
        valid = (episodes >= 0) & (episodes < self.num_episodes)
        last_offset = self.lengths_with_partial[np.where(valid, episodes, 0)] - length
        invalid = ~valid | (offsets < 0) | (offsets > last_offset)
        if length < 0 or invalid.any():
            first = int(np.flatnonzero(invalid)[0]) if invalid.any() else 0
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
            rewards=self.rows("rewards", rows),
            terminated=self.rows("terminated", rows),
            truncated=self.rows("truncated", rows),
            steps=self.rows("steps", rows[:, :-1]),
            episode=episodes,
            offset=offsets,
        )

    def read(self, episode: int) -> Episode:
        """Read one whole episode.

        Raises:
            ForethoughtError: the number is out of range.
        """
        # False and True are numbers here, as they are in Python: in an array's index they would be a mask.
        number = require_whole(episode, "episode")
        if not 0 <= number < self.num_episodes:
            raise ForethoughtError(f"the store at {self.path} has episodes 0 to {self.num_episodes - 1}, not {episode}.")
        clip = self.clips(np.array([number]), np.array([0]), int(self.lengths_with_partial[number]))
        return Episode(
            observation={name: values[0] for name, values in clip.observation.items()},
            actions=clip.actions[0],
            truth={name: values[0] for name, values in clip.truth.items()},
            drives=clip.drives[0],
            seed=self._own_seeds[number],
            rewards=clip.rewards[0],
            terminated=clip.terminated[0],
            truncated=clip.truncated[0],
            steps=clip.steps[0],
        )

    def statistics(self) -> StoreStatistics:
        """Statistics of the training episodes for the configurator: numbers over all rows, images over a fixed sample of them.

        Raises:
            ForethoughtError: no training episode has a whole block.
        """
        if not self.lengths[self.train].any():
            raise ForethoughtError(
                f"no training episode of the store at {self.path} has a whole block of {self.block} steps; use a smaller block."
            )
        random = np.random.Generator(np.random.Philox(key=[0, int((self.lengths + 1).sum())]))
        lengths = self.lengths[self.train]
        block = random.integers(int(lengths.sum()), size=SAMPLE)
        index = np.searchsorted(np.cumsum(lengths), block, side="right")
        offset = block - (np.cumsum(lengths) - lengths)[index]
        start, length = self.starts[self.train][index], lengths[index]
        now, other = start + offset, start + (offset + random.integers(1, length + 1)) % (length + 1)
        streams = [stream.name for stream in self.spec.streams if stream.kind != "text"]
        seen = {name: self.rows(name, now) for name in streams}
        leading = leading_stream(seen)
        beside = {"following": now + 1, "first": start, "last": start + length} if leading else {}
        sample = Sample(
            now=seen,
            other={name: self.rows(name, other) for name in streams},
            actions=within_bounds(self.rows("actions", now), self.spec.action),
            **{which: self.rows(str(leading), rows) for which, rows in beside.items()},
        )
        if short := int((lengths == 0).sum()):
            log.info("%d of %d training episodes end within their first block; training leaves them out.", short, len(lengths))
        rows = self.rows_of(self.train[lengths > 0], whole=True)
        vectors = {
            stream.name: exact_moments(partial(self.rows, stream.name), rows)
            for stream in self.spec.streams
            if stream.kind == "vector"
        }
        found = measure(sample, vectors, lengths[lengths > 0], self.num_episodes, self.num_rows)
        return replace(found, task_length=LONGEST_GAP) if start_at_reset(self.spec) else found

    def verify(self) -> None:
        """Full check of each byte of each shard against the checksums of the manifest. It reads all files.

        Raises:
            CorruptFileError: a file is damaged; names it.
        """
        manifest = read_manifest(self.path)
        for shard in manifest["shards"]:
            folder = self.path / SHARDS / shard["name"]
            if checksums_of(folder) != shard["files"]:
                raise CorruptFileError(f"{folder} is not the shard that the store's manifest lists; restore it.")
            verify_folder(folder)

    def _check_actions(self) -> None:
        """Raise a `ForethoughtError` if a recorded action lies outside the bounds of the world's description."""
        for shard, (entry, first) in enumerate(zip(self._shards, self._first, strict=False)):
            rows = np.arange(first, first + entry["rows"])
            steps = self.rows("steps", rows)
            where = f"the store at {self.path}, shard {entry['name']}"
            check_actions(self._array("actions", shard), steps, self.spec.action, where)

    def _array(self, name: str, shard: int) -> NDArray[Any]:
        """One array of one shard, memory-mapped on first use."""
        if (name, shard) not in self._open:
            if name in self._rows:
                shape, dtype = self._rows[name]
                self._open[name, shard] = open_array(self._file(name, shard), (self._shards[shard]["rows"], *shape), dtype)
            else:
                self._open[name, shard] = open_array(self._file(name, shard), None, np.dtype(np.uint8))
        return self._open[name, shard]

    def _file(self, name: str, shard: int) -> Path:
        """Path of an array of a shard."""
        path: Path = self.path / SHARDS / self._shards[shard]["name"] / f"{name}.npy"
        return path
