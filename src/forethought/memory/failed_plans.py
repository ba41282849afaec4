"""What imagination promised and the world refused: remembered for the episode, so that the same plan isn't tried for ever.

A planner that believes in a gap where there is a wall pushes against it until its budget is gone: its next decision starts
from the same state and finds the same plan. Perceived and imagined states stand side by side in short-term memory; where
they differ, the promise is remembered with the place it was made from, and costs when it is made again.
"""

from __future__ import annotations

import torch
from torch import Tensor

ENTRIES = 16
REFUSED, WIDTH = 0.02, 0.25
"""A promise of level 1 is refused when it was off by this share of `typical`; its shadow has this width, in the same unit."""


class FailedPlanMemory:
    """The last few refused promises of each of B episodes."""

    def __init__(self, state_dim: int, typical: float, device: torch.device | str = "cpu", tolerance: float = REFUSED) -> None:
        """`typical`: mean squared distance of states a few blocks apart, the unit of distances. `tolerance`: see `REFUSED`."""
        self.state_dim, self.typical, self.tolerance, self.device = state_dim, typical, tolerance, torch.device(device)
        self.reset(0)

    def reset(self, batch: int) -> None:
        """Forget everything."""
        self.origins = torch.zeros(batch, ENTRIES, self.state_dim, device=self.device)
        self.promises = torch.zeros_like(self.origins)
        self.held = torch.zeros(batch, ENTRIES, device=self.device)
        self._written = torch.zeros(batch, dtype=torch.long, device=self.device)

    def write(self, origin: Tensor, promised: Tensor, perceived: Tensor, foreseen: Tensor | None = None) -> Tensor:
        """Compare what was promised with what came, [B, D] each, and remember where they differ.

        Args:
            origin, promised, perceived: see above.
            foreseen: [B, S, D], other futures that were thought possible. One of them that came is bad luck and no refusal.

        Returns:
            bool [B], which promises were refused.
        """
        every = promised[:, None] if foreseen is None else torch.cat([promised[:, None], foreseen], 1)
        refused = ((every - perceived[:, None]).square().mean(-1) > self.tolerance * self.typical).all(1)
        rows = torch.nonzero(refused).squeeze(1)
        slots = self._written[rows] % ENTRIES
        self.origins[rows, slots], self.promises[rows, slots] = origin[rows], promised[rows]
        self.held[rows, slots] = 1.0
        self._written[rows] += 1
        return refused

    def cost(self, present: Tensor, following: Tensor, rows: Tensor) -> Tensor:
        """How much the first imagined states repeat refused promises.

        Args:
            present: [R, D], where episodes `rows` are. following: [R, K, D], first imagined states. rows: int64 [R].

        Returns:
            [R, K], >= 0; about 1 for each time that the promise was refused: what fails again and again costs more and more.
        """
        if not bool(self.held[rows].any()):
            return following.new_zeros(following.shape[:2])
        width = WIDTH * self.typical
        here = (self.origins[rows] - present[:, None]).square().mean(-1)
        # Exact distances: by matrix products those of what is almost the same would drown in rounding.
        apart = torch.cdist(following, self.promises[rows], compute_mode="donot_use_mm_for_euclid_dist")
        again = apart.square() / self.state_dim
        return (torch.exp(-again / width) * (torch.exp(-here / width) * self.held[rows])[:, None]).sum(-1)
