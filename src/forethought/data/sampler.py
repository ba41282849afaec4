"""Random sampling of training clips from a store; clips never contain a partial last block."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError


class ClipSampler:
    """Samples training clips uniformly over all valid starts; random numbers come from the caller's generator alone."""

    def __init__(self, store: EpisodeStore, split: str, length: int) -> None:
        """A sampler of clips of `length` blocks from the `train` or `heldout` episodes.

        Raises:
            ForethoughtError: every episode of the split is shorter than a clip.
        """
        self.store, self.length = store, length
        self._episodes = store.split(split)
        self._ends = np.cumsum(np.maximum(store.lengths[self._episodes] - length + 1, 0))
        if not len(self._ends) or self._ends[-1] == 0:
            raise ForethoughtError(
                f"no {split} episode of the store at {store.path} has {length} blocks; use shorter clips, "
                "smaller blocks or more episodes."
            )

    @property
    def places(self) -> int:
        """Number of different clips."""
        return int(self._ends[-1])

    def draw(self, count: int, generator: torch.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sample `count` clips: episodes and offsets, int64 [B] each."""
        clip = torch.randint(self.places, (count,), generator=generator).numpy()
        index = np.searchsorted(self._ends, clip, side="right")
        first_clip = np.concatenate([[0], self._ends[:-1]])[index]
        return self._episodes[index], clip - first_clip

    def gaps(
        self, episodes: NDArray[np.int64], offsets: NDArray[np.int64], reach: int, generator: torch.Generator
    ) -> NDArray[np.int64]:
        """Sample for each clip the blocks to a later row of its episode, int64 [B]: 1 to `reach`, clipped to the episode."""
        gap = 1 + torch.randint(reach, (len(offsets),), generator=generator).numpy()
        return np.asarray(np.minimum(gap, self.store.lengths[episodes] - offsets))
