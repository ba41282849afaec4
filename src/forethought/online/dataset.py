"""The dataset of a life: episodes are appended as they are lived, survive a kill, and are read again when the run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forethought.atomic_io import writing
from forethought.data.recorder import number_of
from forethought.data.shard_writer import ShardWriter, read_journal, recording_path
from forethought.data.store import EpisodeStore
from forethought.data.store_format import MANIFEST, RECIPE, RECORDING, SHARDS, Failure, shard_path
from forethought.data.writer import StoreWriter
from forethought.errors import ForethoughtError
from forethought.types import Episode, WorldSpec

DATASET = "dataset"
HELD_OUT = 0.1


class LivedDataset:
    """Appends to a store in the run's folder; its shards are of one stretch between two checkpoints each.

    Attributes: path: the store's folder. spec, block: of its rows.
    """

    def __init__(self, run: Path, spec: WorldSpec, block: int, asked: Mapping[str, Any]) -> None:
        """Begin a dataset, or go on with that of the run: what a killed process has recorded becomes a shard.

        Raises:
            ForethoughtError: the run was begun with another world.
        """
        self.path, self.spec, self.block = run / DATASET, spec, block
        if (self.path / RECIPE).exists():
            self._publish_recorded()
            self._writer = StoreWriter.resume(self.path)
            if self._writer.recipe.asked != dict(asked) or self._writer.recipe.block != block:
                raise ForethoughtError(
                    f"{self.path} was begun with {dict(self._writer.recipe.asked)}: go on with the same world, or choose "
                    "another folder."
                )
        else:
            self._writer = StoreWriter(self.path, spec, block, asked, HELD_OUT)
        self._shard: ShardWriter | None = None

    def _publish_recorded(self) -> None:
        """Publish the shards that a killed process was recording."""
        for folder in sorted((self.path / SHARDS).glob(f"{RECORDING}*")):
            if folder.is_dir() and read_journal(folder):
                shard = int(folder.name.removeprefix(RECORDING))
                ShardWriter(folder, self.spec, self.block).publish(shard_path(self.path, shard))

    def add(self, number: int, episode: Episode | str, seed: int) -> None:
        """Append an episode, or the reason of its loss; it is durable once this returns."""
        if self._shard is None:
            numbers = self._writer.shards
            self._number = numbers[-1] + 1 if numbers else 0
            self._shard = ShardWriter(recording_path(self.path, self._number), self.spec, self.block)
        if isinstance(episode, Episode):
            self._shard.add(episode, number)
        else:
            self._shard.lose(Failure(number, seed, episode))

    def publish(self) -> None:
        """Publish what was added since the last time as a shard."""
        if self._shard is None:
            return
        if self._shard.episodes:
            self._shard.publish(shard_path(self.path, self._number))
            self._shard = None

    def finished(self) -> EpisodeStore:
        """The store as it is now, with a manifest, for every command that reads stores.

        Raises:
            ForethoughtError: no episode was recorded.
        """
        self.publish()
        return self._writer.finalise()

    def lived(self) -> Iterator[tuple[int, Episode | str]]:
        """Number and episode of all that earlier processes have published, as they ended; then the reasons of lost ones."""
        if not self._writer.shards:
            return
        store, life = self.finished(), int(self._writer.recipe.asked["seed"])
        for index in range(store.num_episodes):
            yield number_of(life, int(store.seeds[index])), store.read(index)
        for failure in store.failures:
            yield failure.number, failure.reason

    def reopen(self) -> None:
        """Take the manifest away: the dataset goes on to grow."""
        with writing(self.path):
            (self.path / MANIFEST).unlink(missing_ok=True)
