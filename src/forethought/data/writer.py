"""Writer of a store: the recipe first, then one published shard at a time, then the manifest."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from forethought.atomic_io import ASIDE, PART, checksums_of, make_folder, verify_folder, write_sealed, writing
from forethought.data.shard_writer import publish_shard
from forethought.data.store import EpisodeStore
from forethought.data.store_format import (
    BUILDING,
    MANIFEST,
    RECIPE,
    RECORDING,
    SCHEMA,
    SHARDS,
    Failure,
    Recipe,
    arrays_of,
    held_out_by_seed,
    read_recipe,
    read_shard_index,
    shard_path,
    spec_to_json,
    write_recipe,
)
from forethought.errors import ForethoughtError
from forethought.types import Episode, WorldSpec

log = logging.getLogger(__name__)


class StoreWriter:
    """Writes a store shard by shard; a shard is durable once `append` has returned.

    Attributes:
        path: the folder.
        recipe: description of the world, block, split and request.
    """

    def __init__(
        self,
        path: Path | str,
        spec: WorldSpec,
        block: int,
        asked: Mapping[str, Any] | None = None,
        held_out: float = 0.1,
        *,
        begin: bool = True,
    ) -> None:
        """Start a store in a new or empty folder.

        Args:
            path: the folder.
            spec: the world.
            block: environment steps per row.
            asked: the request of the collection, JSON values; stored as `EpisodeStore.recipe`.
            held_out: share of held-out episodes, decided by a hash of each seed.
            begin: False to continue a store (`StoreWriter.resume` checks it first).

        Raises:
            ForethoughtError: the folder is not empty, a stream's name is reserved or no file name, or the system refused to
                write.
        """
        arrays_of(spec, block)
        self.path, self.recipe = Path(path), Recipe(spec, block, held_out, dict(asked or {}))
        if begin:
            if self.path.exists() and not is_empty(self.path):
                raise ForethoughtError(
                    f"{self.path} already holds something; choose another folder, or --resume an unfinished store."
                )
            make_folder(self.path)
            write_recipe(self.path, self.recipe)
        make_folder(self.path / SHARDS)

    @staticmethod
    def resume(path: Path | str) -> StoreWriter:
        """Continue an unfinished store: delete incomplete shards, and verify the complete ones byte by byte.

        Raises:
            ForethoughtError: there is no unfinished store, or it has an earlier version of the format.
            CorruptFileError: a shard is damaged; names the file.
        """
        path = Path(path)
        if not (path / RECIPE).exists():
            raise ForethoughtError(f"no unfinished store at {path}; start one without --resume.")
        recipe = read_recipe(path)
        recipe.require_current(path)
        writer = StoreWriter(path, recipe.spec, recipe.block, recipe.asked, recipe.held_out, begin=False)
        writer._delete_incomplete(recordings=False)
        for shard in writer.shards:
            verify_folder(shard_path(path, shard))
        return writer

    @property
    def shards(self) -> list[int]:
        """Numbers of the complete shards on the disk."""
        return sorted(int(folder.name) for folder in (self.path / SHARDS).iterdir() if folder.name.isdigit())

    def append(self, episodes: Sequence[Episode], failures: Sequence[Failure] = ()) -> None:
        """Write the next shard; after the return it survives a kill.

        Raises:
            ForethoughtError: an episode does not fit the world's description, or the system refused to write.
        """
        shards = self.shards
        number = shards[-1] + 1 if shards else 0
        publish_shard(self.path, number, self.recipe.spec, self.recipe.block, episodes, failures)

    def finalise(self) -> EpisodeStore:
        """Write the manifest from the shards on the disk, and open the store.

        Raises:
            ForethoughtError: no episode was recorded.
        """
        self._delete_incomplete()
        columns: dict[str, list[Any]] = {"length": [], "whole": [], "seed": [], "start": []}
        shard_entries, failures, rows = [], [], 0
        for shard in self.shards:
            folder = shard_path(self.path, shard)
            index = read_shard_index(folder)
            starts = rows + np.cumsum([0, *(length + 1 for length in index.lengths)])
            columns["length"] += index.lengths
            columns["whole"] += index.whole
            columns["seed"] += index.seeds
            columns["start"] += starts[:-1].tolist()
            shard_entries.append({"name": folder.name, "rows": int(starts[-1]) - rows, "files": checksums_of(folder)})
            rows = int(starts[-1])
            failures += [asdict(failure) for failure in index.failures]
        if not columns["length"]:
            raise ForethoughtError(f"no episode was recorded for the store at {self.path}; record at least one.")
        if len(columns["seed"]) > 1 and len(set(columns["seed"])) == 1:
            log.warning(
                "all %d episodes of the store at %s have the seed %d, so none can be held out for tests: give each its own",
                len(columns["seed"]), self.path, columns["seed"][0],
            )  # fmt: skip
        columns["held_out"] = held_out_by_seed(columns["seed"], self.recipe.held_out).tolist()
        manifest = {
            "schema": SCHEMA,
            "world": spec_to_json(self.recipe.spec),
            "block": self.recipe.block,
            "recipe": dict(self.recipe.asked),
            "held_out": self.recipe.held_out,
            "counts": {"episodes": len(columns["length"]), "rows": rows, "failures": len(failures)},
            "episodes": columns,
            "failures": failures,
            "shards": shard_entries,
        }
        write_sealed(self.path / MANIFEST, manifest)
        return EpisodeStore.open(self.path)

    def _delete_incomplete(self, recordings: bool = True) -> None:
        """Delete the unpublished shards of a killed process; `recordings`: also what a collection has recorded of one."""
        unpublished = (BUILDING, RECORDING) if recordings else (BUILDING,)
        with writing(self.path):
            for path in (self.path / SHARDS).iterdir():
                if path.name.startswith(unpublished) or path.name.endswith((ASIDE, PART)):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_empty(folder: Path) -> bool:
    """Whether a folder is empty, apart from hidden files of a killed write."""
    return folder.is_dir() and all(path.name.startswith(".") for path in folder.iterdir())
