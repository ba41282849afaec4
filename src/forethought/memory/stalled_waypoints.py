"""A penalty on waypoints without progress: for the rest of the episode the graph search avoids them.

The critic sometimes underestimates the distance to a landmark behind a corner. The path over that landmark then stays the
shortest, and the level below pushes against the corner until the budget is spent. The test is the remaining path length: a
waypoint has stalled when that length stops decreasing.
"""

from __future__ import annotations

import torch
from torch import Tensor

PATIENCE = 3
"""Decisions without progress after which a waypoint gets the penalty."""
PROGRESS = 0.25
"""Progress: the remaining path length is at least this many blocks below its minimum so far."""
ARRIVED = 2.0
"""Distance to the goal, in blocks, below which progress is not measured: latent distance is the cost there."""
PENALTY = 4.0
"""Penalty of a stalled waypoint, in blocks; it is added again each time that the waypoint stalls."""


class StalledWaypoints:
    """Penalties of N waypoints in each of B episodes.

    Attributes: penalty: [B, N], the penalties, in blocks.
    """

    def __init__(self, stops: int, device: torch.device | str = "cpu") -> None:
        """`stops`: N, the number of waypoints."""
        self.stops, self.device = stops, torch.device(device)
        self.reset(0)

    def reset(self, batch: int) -> None:
        """Clear the penalties and begin B episodes."""
        self.penalty = torch.zeros(batch, self.stops, device=self.device)
        self._shortest = torch.full((batch,), torch.inf, device=self.device)
        self._without_progress = torch.zeros(batch, dtype=torch.int64, device=self.device)

    def write(self, stop: Tensor, remaining: Tensor) -> None:
        """Record one decision.

        Args: stop: int64 [B], the current waypoint. remaining: [B], length of the path to the goal, in blocks.
        """
        progress = (remaining < self._shortest - PROGRESS) | (remaining < ARRIVED)
        self._shortest = torch.where(progress, remaining, self._shortest)
        self._without_progress = torch.where(progress, 0, self._without_progress + 1)
        stalled = self._without_progress >= PATIENCE
        rows = torch.nonzero(stalled).squeeze(1)
        self.penalty[rows, stop[rows]] += PENALTY
        # The new path may be longer, so its progress is measured from the start.
        self._shortest[rows], self._without_progress[rows] = torch.inf, 0
