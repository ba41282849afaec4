"""Training clips, drawn at random from a store; a partial last block is in none of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError


class ClipSampler:
    """Draws training clips, uniformly over every place where one fits; all chance comes from the caller's generator."""

    def __init__(self, store: EpisodeStore, split: str, length: int) -> None:
        """A sampler of clips of `length` blocks from the `train` or `heldout` episodes.

        Raises:
            ForethoughtError: no episode of the split is as long as a clip.
        """
        self.store, self.length = store, length
        self._episodes = store.split(split)
        self._ends = np.cumsum(np.maximum(store.whole_lengths[self._episodes] - length + 1, 0))
        if not len(self._ends) or self._ends[-1] == 0:
            raise ForethoughtError(
                f"no {split} episode of the store at {store.path} has {length} blocks; use shorter clips, "
                "smaller blocks or more episodes."
            )

    @property
    def places(self) -> int:
        """How many different clips there are."""
        return int(self._ends[-1])

    def draw(self, count: int, generator: torch.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Episodes and offsets of `count` clips, int64 [B] each."""
        place = torch.randint(self.places, (count,), generator=generator).numpy()
        chosen = np.searchsorted(self._ends, place, side="right")
        before = np.concatenate([[0], self._ends[:-1]])[chosen]
        return self._episodes[chosen], place - before

    def gaps(
        self, episodes: NDArray[np.int64], offsets: NDArray[np.int64], reach: int, generator: torch.Generator
    ) -> NDArray[np.int64]:
        """For each clip, blocks from its first row to a later row of its episode, int64 [B]: 1 to `reach`, cut at the end."""
        gap = 1 + torch.randint(reach, (len(offsets),), generator=generator).numpy()
        return np.asarray(np.minimum(gap, self.store.whole_lengths[episodes] - offsets))
