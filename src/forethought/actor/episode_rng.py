"""One random stream per episode, so that a plan never depends on which other episodes share the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class EpisodeGenerators:
    """B independent CPU generators; values are drawn on the CPU and moved, so every device sees the same numbers."""

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        """One stream per seed; PyTorch reads a seed's low 32 bits alone, so seeds must differ there."""
        self.device = torch.device(device)
        self.generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]

    def __len__(self) -> int:
        """B."""
        return len(self.generators)

    def subset(self, rows: Sequence[int]) -> EpisodeGenerators:
        """The same streams (not copies) of some episodes."""
        chosen = EpisodeGenerators((), self.device)
        chosen.generators = [self.generators[row] for row in rows]
        return chosen

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers [B, *shape]; row i comes from stream i alone."""
        return torch.stack([torch.randn(shape, generator=g) for g in self.generators]).to(self.device)

    def normal_(self, out: Tensor) -> Tensor:
        """Fill `out` [B, ...] with standard normal numbers in place; row i comes from stream i alone.

        A row must be contiguous: PyTorch draws other numbers into strided memory.
        """
        host = out if out.device.type == "cpu" else torch.empty(out.shape, dtype=out.dtype)
        for row, generator in zip(host.unbind(), self.generators, strict=True):
            row.normal_(generator=generator)
        return out if host is out else out.copy_(host)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), [B, *shape]; row i comes from stream i alone."""
        return torch.stack([torch.rand(shape, generator=g) for g in self.generators]).to(self.device)
