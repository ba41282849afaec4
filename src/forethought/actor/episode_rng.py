"""One random stream per episode: a plan does not depend on the other episodes in the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from forethought.actor.counter_rng import CounterStreams
from forethought.errors import ForethoughtError, require_whole

COUNTED = frozenset({"cuda"})
"""Kinds of devices on which all streams are computed at once, on the device itself."""


class EpisodeGenerators:
    """B independent random streams.

    On CPUs and on Apple's MPS each is a CPU generator, and values are the same on both. On a GPU a loop over episodes would
    take longer than the search, so the streams are those of a counter-based generator, with other values: a plan on a GPU is
    repeated on a GPU, alone and in any batch.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        """One stream per seed; a CPU generator uses only the low 32 bits of its seed, so seeds must differ there."""
        self.device = torch.device(device)
        counted = self.device.type in COUNTED
        self._counted = CounterStreams(seeds, self.device) if counted else None
        self._generators = [] if counted else [torch.Generator().manual_seed(_generator_seed(seed)) for seed in seeds]

    @staticmethod
    def of(seed: int | None, seeds: Sequence[int] | None, batch: int, device: torch.device | str = "cpu") -> EpisodeGenerators:
        """Streams of B episodes: from `seeds`, one for each, or else from `seed` (None: 0), seed + 1, ...

        Raises:
            ForethoughtError: a seed is no whole number, or there are not B of them.
        """
        first = require_whole(seed or 0, "seed")
        seeds = range(first, first + batch) if seeds is None else seeds
        if not isinstance(seeds, Sequence | np.ndarray) or isinstance(seeds, str):
            raise ForethoughtError(f"seeds can't be {seeds!r}: give a list of {batch} whole numbers.")
        if len(seeds) != batch:
            raise ForethoughtError(f"{batch} goals need {batch} seeds, not {len(seeds)}.")
        return EpisodeGenerators([require_whole(each, "seeds") for each in seeds], device)

    def __len__(self) -> int:
        """B."""
        return len(self._generators) if self._counted is None else len(self._counted)

    def subset(self, rows: Tensor) -> EpisodeGenerators:
        """The streams (not copies) of the episodes `rows`, int64 [R]."""
        subset = EpisodeGenerators((), self.device)
        if self._counted is None:
            subset._generators = [self._generators[row] for row in rows.tolist()]
        else:
            subset._counted = self._counted.subset(rows)
        return subset

    def normal(self, *shape: int) -> Tensor:
        """Standard normal samples [B, *shape]; row i comes from stream i only."""
        if self._counted is not None:
            return self._counted.normal(math.prod(shape)).view(-1, *shape)
        return torch.stack([torch.randn(shape, generator=g) for g in self._generators]).to(self.device)

    def normal_(self, out: Tensor) -> Tensor:
        """Fill `out` [B, ...] with standard normal samples in place; row i comes from stream i only.

        A row must be contiguous: PyTorch produces other samples in strided memory.

        Raises:
            ValueError: `out` has another number of rows than B.
        """
        if self._counted is not None:
            return out.copy_(self._counted.normal(out.shape[1:].numel()).view(-1, *out.shape[1:]))
        host = out if out.device.type == "cpu" else torch.empty(out.shape, dtype=out.dtype)
        for row, generator in zip(host.unbind(), self._generators, strict=True):
            row.normal_(generator=generator)
        return out if host is out else out.copy_(host)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform samples in [0, 1), [B, *shape]; row i comes from stream i only."""
        if self._counted is not None:
            return self._counted.uniform(math.prod(shape)).view(-1, *shape)
        return torch.stack([torch.rand(shape, generator=g) for g in self._generators]).to(self.device)


def _generator_seed(seed: int) -> int:
    """A seed of any size as PyTorch takes it."""
    return int(seed) if -(2**63) <= seed < 2**64 else int(seed) % 2**64
