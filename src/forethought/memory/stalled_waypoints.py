"""Landmarks that were headed for in vain: remembered for the episode, so that the level above finds another way.

The critic now and then thinks a place near that lies behind a corner. Then the way over it stays the shortest, and the level
below pushes against the corner until the budget is gone. What the level above expects is that the way grows shorter.
"""

from __future__ import annotations

import torch
from torch import Tensor

PATIENCE = 3
"""Decisions without progress before a stop is blamed."""
PROGRESS = 0.25
"""Blocks by which the way must have grown shorter than ever to count as progress."""
ARRIVED = 2.0
"""Nearer to the goal than this, in blocks, latent distance leads the way, and there is no progress to be made."""
BLAME = 4.0
"""What a blamed stop costs from then on, in blocks; blamed again, it costs more."""


class StalledWaypoints:
    """Of B episodes and N stops."""

    def __init__(self, stops: int, device: torch.device | str = "cpu") -> None:
        """`stops`: N."""
        self.stops, self.device = stops, torch.device(device)
        self.reset(0)

    def reset(self, batch: int) -> None:
        """Forget everything."""
        self.blame = torch.zeros(batch, self.stops, device=self.device)
        self._best = torch.full((batch,), torch.inf, device=self.device)
        self._waited = torch.zeros(batch, dtype=torch.int64, device=self.device)

    def write(self, stop: Tensor, remaining: Tensor) -> None:
        """One more decision: which stop was headed for, int64 [B], and how long the way is now, [B] blocks."""
        better = (remaining < self._best - PROGRESS) | (remaining < ARRIVED)
        self._best = torch.where(better, remaining, self._best)
        self._waited = torch.where(better, 0, self._waited + 1)
        vain = self._waited >= PATIENCE
        rows = torch.nonzero(vain).squeeze(1)
        self.blame[rows, stop[rows]] += BLAME
        # The new way may be a longer one, and is to be given its own time.
        self._best[rows], self._waited[rows] = torch.inf, 0
