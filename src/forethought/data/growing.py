"""A store as it is at this moment, while episodes are still appended to it: read only, and never locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.data.shard_writer import read_journal
from forethought.data.store_format import RECORDING, SHARDS, arrays_of, read_recipe, read_shard_index
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.types import WorldSpec


@dataclass(frozen=True)
class _Part:
    """A published shard, or the one under construction. lengths: blocks of each of its episodes."""

    folder: Path
    lengths: tuple[int, ...]


class GrowingStore:
    """The episodes of a store that are complete now: of published shards, and of the one under construction.

    Attributes: spec, block: as in `EpisodeStore`. lengths: int64 [episodes], blocks of each.
    """

    def __init__(self, path: Path) -> None:
        """Read the index of a finished or unfinished store.

        Raises:
            ForethoughtError: there is no store, or it has no episode yet. CorruptFileError: an index is damaged.
        """
        recipe = read_recipe(path)
        self.spec: WorldSpec = recipe.spec
        self.block = recipe.block
        self._arrays = arrays_of(recipe.spec, recipe.block, recipe.schema)
        folders = sorted((path / SHARDS).iterdir())
        published = [folder for folder in folders if folder.name.isdigit()]
        recorded = [folder for folder in folders if folder.name.startswith(RECORDING) and folder.is_dir()]
        self._parts = [_Part(folder, read_shard_index(folder).lengths) for folder in published]
        for folder in recorded:
            lengths = tuple(int(entry["length"]) for entry in read_journal(folder) if "files" in entry)
            self._parts.append(_Part(folder, lengths))
        self._place = [(part, at) for part in self._parts for at in range(len(part.lengths))]
        self.lengths = np.array([part.lengths[at] for part, at in self._place], np.int64)
        if not self._place:
            raise ForethoughtError(f"the store at {path} has no episode yet; wait until one is recorded.")

    def rows(self, name: str, episode: int) -> NDArray[Any]:
        """One array of one episode, [T + 1, ...], in memory; negative numbers count from the last episode.

        Raises:
            CorruptFileError: the file is missing or damaged, or was published under another name just now: try again.
        """
        part, at = self._place[episode]
        first = sum(part.lengths[:at]) + at
        values = self._column(name, part)
        return np.array(values[first : first + part.lengths[at] + 1])

    def sums(self, name: str) -> NDArray[np.float64]:
        """Sum of one array over the rows of each episode, [episodes, ...]."""
        totals = []
        for part in self._parts:
            if part.lengths:
                starts = np.cumsum([0, *(length + 1 for length in part.lengths[:-1])])
                totals.append(np.add.reduceat(np.asarray(self._column(name, part), np.float64), starts, 0))
        return np.concatenate(totals)

    def recent(self, rows: int) -> Sequence[int]:
        """Numbers of the latest episodes that have so many rows together, ascending; all of them if they have fewer."""
        counted = np.cumsum(self.lengths[::-1] + 1)
        episodes = int(np.searchsorted(counted, rows)) + 1
        return range(max(0, len(self.lengths) - episodes), len(self.lengths))

    def _column(self, name: str, part: _Part) -> NDArray[Any]:
        """One array of one part; the header of a file under construction does not say how many rows it has."""
        shape, dtype = self._arrays[name]
        rows, path = sum(part.lengths) + len(part.lengths), part.folder / f"{name}.npy"
        if not rows or 0 in shape:
            return np.zeros((rows, *shape), dtype)
        try:
            with path.open("rb") as file:
                np.lib.format.read_magic(file)
                np.lib.format.read_array_header_1_0(file)
                offset = file.tell()
            return np.memmap(path, dtype, "r", offset=offset, shape=(rows, *shape))
        except (OSError, ValueError) as error:
            raise CorruptFileError(f"{path} cannot be read now ({error}); try again, or restore it.") from error
