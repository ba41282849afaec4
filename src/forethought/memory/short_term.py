"""Short-term memory: recent states, actions and intrinsic energies (the paper, figure 2 and p. 8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from forethought.errors import ForethoughtError


@dataclass(frozen=True)
class Recent:
    """The last C rows of B episodes, oldest first; the last row is the present.

    Fields:
        states: [B, C, D].
        actions: [B, C - 1, A], the block taken between one state and the next.

    An episode of fewer than C rows is padded in front with its first state and actions 0.
    """

    states: Tensor
    actions: Tensor


@dataclass(frozen=True)
class MomentPairs:
    """Pairs of states of one episode, for the critic (the paper, p. 15).

    Fields:
        now, later: [n, D], states.
        gap: int64 [n], rows from `now` to `later`, >= 1.
        energies: [n, E], discounted sum of each intrinsic energy after `now`, up to and including `later`.
    """

    now: Tensor
    later: Tensor
    gap: Tensor
    energies: Tensor


class ShortTermMemory:
    """A ring buffer of the last `rows` rows of each of B parallel episodes.

    A row is a state, the action block that led to it, and the intrinsic energies of that block (zeros in the first
    row); compare `Episode.drives`.

    Attributes:
        rows: capacity.
        filled: rows stored now, the same for all episodes.
    """

    def __init__(self, rows: int, state_dim: int, action_dim: int, energies: int, device: torch.device | str = "cpu") -> None:
        """Empty, for no episodes; `energies` is the number of intrinsic costs E."""
        self.rows = rows
        self._sizes = {"states": state_dim, "actions": action_dim, "energies": energies}
        self._device = torch.device(device)
        self.reset(0)

    def reset(self, batch: int) -> None:
        """Clear the memory; B new episodes begin."""
        self._ring = {name: torch.zeros(batch, self.rows, size, device=self._device) for name, size in self._sizes.items()}
        self._written = 0

    @property
    def filled(self) -> int:
        """Rows stored now."""
        return min(self._written, self.rows)

    def write(self, state: Tensor, action: Tensor, energies: Tensor) -> None:
        """Store one row of every episode; it replaces the oldest one when the memory is full.

        Args:
            state: [B, D], as perceived now. action: [B, A], the block that led here (zeros at first).
            energies: [B, E], of that block, unweighted.

        Raises:
            ForethoughtError: a shape is not that of this memory.
        """
        slot = self._written % self.rows
        for name, value in (("states", state), ("actions", action), ("energies", energies)):
            ring = self._ring[name]
            if value.shape != ring[:, 0].shape:
                raise ForethoughtError(
                    f"memory: {name} to write have shape {tuple(value.shape)}, not {tuple(ring[:, 0].shape)}; "
                    "call reset with the number of episodes first."
                )
            ring[:, slot] = value.detach()
        self._written += 1

    def context(self, rows: int) -> Recent:
        """The last `rows` rows for the predictor; `context(min(C, memory.filled))` has no padding.

        Raises:
            ForethoughtError: nothing has been written, or `rows` is above the capacity.
        """
        if not 1 <= rows <= self.rows:
            raise ForethoughtError(f"memory: a context of {rows} rows was requested; keep it within 1..{self.rows}.")
        if self._written == 0:
            raise ForethoughtError("memory: it is empty; write the first state before asking for a context.")
        age = torch.arange(rows - 1, -1, -1, device=self._device)
        filled = age < self.filled
        index = (self._written - 1 - age.clamp(max=self.filled - 1)) % self.rows
        states = self._ring["states"][:, index]
        # The action of the first stored row led to it from before the context, so it counts as padding.
        actions = self._ring["actions"][:, index[1:]] * filled[:-1, None]
        return Recent(states, actions)

    def pairs(self, generator: torch.Generator, count: int, discount: float) -> MomentPairs:
        """Sample pairs of states, uniformly over episodes and over all pairs of different rows.

        Args:
            generator: on the CPU.
            count: n.
            discount: weight of an energy one row later, in (0, 1].

        Raises:
            ForethoughtError: fewer than two rows are stored.
        """
        filled, batch = self.filled, len(self._ring["states"])
        if filled < 2 or batch == 0:
            raise ForethoughtError("memory: pairs need at least two remembered rows; act for a while first.")
        first, second = torch.triu_indices(filled, filled, offset=1)
        sample = torch.randint(len(first), (count,), generator=generator)
        episode = torch.randint(batch, (count,), generator=generator).to(self._device)
        first, second = first[sample].to(self._device), second[sample].to(self._device)
        order = self._order()
        after = torch.arange(filled, device=self._device) - first[:, None] - 1
        within = (after >= 0) & (after < (second - first)[:, None])
        weight = torch.where(within, discount ** after.clamp(min=0).float(), 0.0)
        energies = self._ring["energies"][episode[:, None], order]
        return MomentPairs(
            now=self._ring["states"][episode, order[first]],
            later=self._ring["states"][episode, order[second]],
            gap=second - first,
            energies=torch.einsum("nr,nre->ne", weight, energies),
        )

    def _order(self) -> Tensor:
        """Ring slots of the stored rows, oldest first."""
        return torch.arange(self._written - self.filled, self._written, device=self._device) % self.rows
