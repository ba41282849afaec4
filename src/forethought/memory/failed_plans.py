"""A tabu list of failed plans: a plan whose predicted next state did not occur costs more for the rest of the episode.

A model error, such as a predicted gap where there is a wall, repeats: the next decision starts from the same state and finds
the same plan. Each decision therefore compares the predicted state with the perceived one. Where they differ, the state of
origin and the predicted state are stored, and plans that repeat both get a penalty.
"""

from __future__ import annotations

import torch
from torch import Tensor

ENTRIES = 16
FAILED, WIDTH = 0.02, 0.25
"""Threshold of the prediction error at level 1 above which a plan has failed, and width of the penalty's kernel.

Both are mean squared distances, in units of `typical`.
"""


class FailedPlanMemory:
    """The last `ENTRIES` failed predictions of each of B episodes."""

    def __init__(self, state_dim: int, typical: float, device: torch.device | str = "cpu", tolerance: float = FAILED) -> None:
        """`typical`: mean squared distance of states a few blocks apart, the unit of distances. `tolerance`: see `FAILED`."""
        self.state_dim, self.typical, self.tolerance, self.device = state_dim, typical, tolerance, torch.device(device)
        self.reset(0)

    def reset(self, batch: int) -> None:
        """Clear the memory and begin B episodes."""
        self.origins = torch.zeros(batch, ENTRIES, self.state_dim, device=self.device)
        self.predictions = torch.zeros_like(self.origins)
        self.held = torch.zeros(batch, ENTRIES, device=self.device)
        self._written = torch.zeros(batch, dtype=torch.long, device=self.device)

    def write(self, origin: Tensor, predicted: Tensor, perceived: Tensor, alternatives: Tensor | None = None) -> Tensor:
        """Compare predicted with perceived states, [B, D] each, and store the predictions that failed.

        Args:
            origin: the state that the plan started from. predicted: its first state. perceived: the state that occurred.
            alternatives: [B, S, D], other sampled outcomes of the same action. If one of them occurred, the plan did not fail.

        Returns:
            bool [B], which predictions failed.
        """
        outcomes = predicted[:, None] if alternatives is None else torch.cat([predicted[:, None], alternatives], 1)
        failed = ((outcomes - perceived[:, None]).square().mean(-1) > self.tolerance * self.typical).all(1)
        rows = torch.nonzero(failed).squeeze(1)
        slots = self._written[rows] % ENTRIES
        self.origins[rows, slots], self.predictions[rows, slots] = origin[rows], predicted[rows]
        self.held[rows, slots] = 1.0
        self._written[rows] += 1
        return failed

    def cost(self, present: Tensor, following: Tensor, rows: Tensor) -> Tensor:
        """How closely the first imagined states repeat failed predictions.

        Args:
            present: [R, D], where episodes `rows` are. following: [R, K, D], first imagined states. rows: int64 [R].

        Returns:
            [R, K], >= 0: about 1 for each stored failure of the same plan, so repeated failures add up.
        """
        if not bool(self.held[rows].any()):
            return following.new_zeros(following.shape[:2])
        width = WIDTH * self.typical
        origin_distance = (self.origins[rows] - present[:, None]).square().mean(-1)
        # Exact distances: with matrix products, small distances would be lost to rounding.
        distance = torch.cdist(following, self.predictions[rows], compute_mode="donot_use_mm_for_euclid_dist")
        prediction_distance = distance.square() / self.state_dim
        return (torch.exp(-prediction_distance / width) * (torch.exp(-origin_distance / width) * self.held[rows])[:, None]).sum(
            -1
        )
