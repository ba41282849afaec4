"""One random generator per episode: a plan does not depend on the other episodes in the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from forethought.errors import ForethoughtError, require_whole


class EpisodeGenerators:
    """B independent CPU generators; values are sampled on the CPU and moved, so they are the same on every device."""

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        """One generator per seed; PyTorch uses only the low 32 bits of a seed, so seeds must differ there."""
        self.device = torch.device(device)
        self.generators = [torch.Generator().manual_seed(_generator_seed(seed)) for seed in seeds]

    @staticmethod
    def of(seed: int | None, seeds: Sequence[int] | None, batch: int, device: torch.device | str = "cpu") -> EpisodeGenerators:
        """Generators of B episodes: from `seeds`, one for each, or else from `seed` (None: 0), seed + 1, ...

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
        return len(self.generators)

    def subset(self, rows: Sequence[int]) -> EpisodeGenerators:
        """The generators (not copies) of the episodes `rows`."""
        subset = EpisodeGenerators((), self.device)
        subset.generators = [self.generators[row] for row in rows]
        return subset

    def normal(self, *shape: int) -> Tensor:
        """Standard normal samples [B, *shape]; row i comes from generator i only."""
        return torch.stack([torch.randn(shape, generator=g) for g in self.generators]).to(self.device)

    def normal_(self, out: Tensor) -> Tensor:
        """Fill `out` [B, ...] with standard normal samples in place; row i comes from generator i only.

        A row must be contiguous: PyTorch produces other samples in strided memory.
        """
        host = out if out.device.type == "cpu" else torch.empty(out.shape, dtype=out.dtype)
        for row, generator in zip(host.unbind(), self.generators, strict=True):
            row.normal_(generator=generator)
        return out if host is out else out.copy_(host)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform samples in [0, 1), [B, *shape]; row i comes from generator i only."""
        return torch.stack([torch.rand(shape, generator=g) for g in self.generators]).to(self.device)


def _generator_seed(seed: int) -> int:
    """A seed of any size as PyTorch takes it."""
    return int(seed) if -(2**63) <= seed < 2**64 else int(seed) % 2**64
