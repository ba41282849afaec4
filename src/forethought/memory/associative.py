"""Associative memory of the world's state: values found by what they are about (the paper, pp. 35-36).

Pure functions of their contents, differentiable through queries, keys and values, so that what to write and what to
ask can be learned end to end.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Contents:
    """What B memories hold, in N slots each.

    Fields:
        keys: [B, N, Q]. values: [B, N, V].
        written: int64 [B], slots allocated so far; slot `written % N` is the next to be allocated.
    """

    keys: Tensor
    values: Tensor
    written: Tensor


@dataclass(frozen=True)
class AssociativeMemory:
    """Reads and writes `Contents`.

    Match(k, q) = exp(-|k - q|^2 / temperature), and c_j = Match_j / (gamma + sum of all Match): a softmax with a
    constant in the normaliser, so that a query far from every key reads (almost) nothing.

    Fields:
        slots: N.
        temperature: squared distance between key and query at which a match falls to 1 / e.
        gamma: > 0; a query whose best match is below it is about something new, and gets a slot.
    """

    slots: int
    temperature: float = 1.0
    gamma: float = 0.1

    def empty(self, batch: int, query_size: int, value_size: int, device: torch.device | str = "cpu") -> Contents:
        """B memories that hold nothing."""
        return Contents(
            keys=torch.zeros(batch, self.slots, query_size, device=device),
            values=torch.zeros(batch, self.slots, value_size, device=device),
            written=torch.zeros(batch, dtype=torch.int64, device=device),
        )

    def coefficients(self, contents: Contents, query: Tensor) -> tuple[Tensor, Tensor]:
        """Match c~ and normalised coefficients c of each slot for queries [B, Q]: ([B, N], [B, N])."""
        distance = (contents.keys - query[:, None]).square().sum(dim=-1)
        used = torch.arange(self.slots, device=query.device) < contents.written[:, None]
        match = torch.where(used, torch.exp(-distance / self.temperature), 0.0)
        return match, match / (self.gamma + match.sum(dim=-1, keepdim=True))

    def read(self, contents: Contents, query: Tensor) -> Tensor:
        """Mem(q) = sum_j c_j v_j for queries [B, Q]: [B, V]; near zero where nothing matches."""
        _, weight = self.coefficients(contents, query)
        return torch.einsum("bn,bnv->bv", weight, contents.values)

    def write(self, contents: Contents, query: Tensor, value: Tensor) -> Contents:
        """Store values [B, V] under queries [B, Q]; returns the new contents, the old stay as they were.

        Where a key matches, v_j <- c_j r + (1 - c_j) v_j. Where the query is far from every key (best match below
        gamma), a slot is allocated: its key becomes the query and its value r. When all are taken the oldest goes.
        """
        match, weight = self.coefficients(contents, query)
        new = match.amax(dim=-1) < self.gamma
        place = torch.nn.functional.one_hot(contents.written % self.slots, self.slots).bool() & new[:, None]
        weight = torch.where(new[:, None], 0.0, weight)[:, :, None]
        place = place[:, :, None]
        updated = weight * value[:, None] + (1 - weight) * contents.values
        return Contents(
            keys=torch.where(place, query[:, None], contents.keys),
            values=torch.where(place, value[:, None], updated),
            written=contents.written + new,
        )
