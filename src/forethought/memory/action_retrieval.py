"""Retrieval of logged action sequences by the nearest state: first candidates for the planner."""

from __future__ import annotations

import torch
from torch import Tensor

from forethought.errors import ForethoughtError
from forethought.states import StateMetric

CHUNK = 65_536
"""Rows compared at a time: B * CHUNK distances are held in memory."""


class NearestNeighborActions:
    """Nearest-neighbor retrieval over M entries of the training data: a state and the H action blocks that followed it.

    Attributes:
        states: [M, D]. actions: [M, H, A].
    """

    def __init__(self, states: Tensor, actions: Tensor, metric: StateMetric | None = None) -> None:
        """Keep the entries without a copy; `metric` pools query states as the stored states were pooled (None: vectors).

        Raises:
            ForethoughtError: the two do not have the same number of entries, or are empty.
        """
        if len(states) != len(actions) or len(states) == 0 or states.dim() != 2 or actions.dim() != 3:
            raise ForethoughtError(
                f"candidate bank: states {tuple(states.shape)} and actions {tuple(actions.shape)} must be [M, D] and "
                "[M, H, A] with the same M >= 1; build it from episodes that are at least H blocks long."
            )
        self.states, self.actions, self.metric = states, actions, metric
        self._half_square = states.square().sum(dim=-1) / 2

    def __len__(self) -> int:
        """M."""
        return len(self.states)

    def nearest(self, states: Tensor, count: int, chunk: int = CHUNK) -> Tensor:
        """Actions that followed the `count` states nearest to each query: [B, D] -> [B, count, H, A], nearest first.

        Raises:
            ForethoughtError: the bank holds fewer than `count` entries.
        """
        return self.actions[self.nearest_moments(states, count, chunk)]

    def nearest_moments(self, states: Tensor, count: int, chunk: int = CHUNK) -> Tensor:
        """Indices [B, count] of the nearest entries by squared distance of states, nearest first.

        |s - b|^2 / 2 = |s|^2 / 2 - (s . b - |b|^2 / 2); the first part is the same for all b, so the second ranks.
        """
        if count > len(self):
            raise ForethoughtError(
                f"retrieval: {count} neighbours were requested, but there are {len(self)}; lower planner.retrieved_candidates."
            )
        states = states if self.metric is None else self.metric.pool(states)
        scores = states.new_empty(len(states), 0)
        indices = torch.empty(len(states), 0, dtype=torch.int64, device=states.device)
        for start in range(0, len(self), chunk):
            score = torch.addmm(-self._half_square[start : start + chunk], states, self.states[start : start + chunk].t())
            top, place = score.topk(min(count, score.shape[1]), dim=1)
            scores, order = torch.cat([scores, top], dim=1).topk(min(count, scores.shape[1] + top.shape[1]), dim=1)
            indices = torch.cat([indices, place + start], dim=1).gather(1, order)
        return indices
