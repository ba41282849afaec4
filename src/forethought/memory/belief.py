"""The belief: what past observations and actions tell of the state beyond the present observation (the paper, p. 8).

A gated recurrent unit carries it from block to block (Cho et al. 2014, 1406.1078). It reads the percept, the percept's change
and the block between. The state is the percept plus a linear map of that change and of what is carried: velocities are changes,
and gates blur them. Everything after perception and memory sees the state alone, so a belief changes no other part.

Axes: B episodes, T blocks, D numbers in a state, A in a block, M numbers in the memory.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LONGEST = 32
"""Blocks over which an untrained belief remembers at most."""


class Belief(nn.Module):
    """Joins the percept of the present observation with what is carried from the past.

    Attributes: size: M, numbers of the memory.
    """

    def __init__(self, state_dim: int, action_dim: int, size: int) -> None:
        """`size`: M."""
        super().__init__()
        self.size = size
        self.cell = nn.GRUCell(2 * state_dim + action_dim, size)
        self.read = nn.Linear(size + state_dim, state_dim)
        # The update gates begin with time scales from one block to the longest (Tallec and Ollivier 2018, 1804.11188, sec. 2).
        with torch.no_grad():
            self.cell.bias_ih[size : 2 * size] = torch.empty(size).uniform_(1, LONGEST - 1).log()
            self.cell.bias_hh[size : 2 * size] = 0

    def start(self, batch: int) -> Tensor:
        """What B episodes carry before their first observation: zeros, [B, M + D + 1]."""
        return self.read.weight.new_zeros(batch, self.read.in_features + 1)

    def forward(self, percept: Tensor, action: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
        """The state [B, D], and what is carried on [B, M + D + 1]: memory, the percept, and 1 (there was one).

        Args:
            percept: [B, D], the encoded observation. action: [B, A], the block that led to it; zeros at first.
            carried: [B, M + D + 1].
        """
        memory, before, any_before = carried.split([self.size, percept.shape[-1], 1], -1)
        change = any_before * (percept - before)
        memory = self.cell(torch.cat([percept, change, action], -1), memory)
        state = percept + self.read(torch.cat([memory, change], -1))
        return state, torch.cat([memory, percept, torch.ones_like(any_before)], -1)

    def along(self, percepts: Tensor, actions: Tensor, known: Tensor | None = None) -> Tensor:
        """States of whole sequences: percepts [B, T + 1, D] and the blocks between them [B, T, A] to [B, T + 1, D].

        Args:
            known: [B, T + 1], 0 in rows before the beginning of an episode, which are forgotten; None: there are none.
        """
        carried, action = self.start(len(percepts)), actions.new_zeros(len(actions), actions.shape[-1])
        states = []
        for row in range(percepts.shape[1]):
            state, carried = self(percepts[:, row], action, carried)
            states.append(state)
            if row < actions.shape[1]:
                action = actions[:, row]
                if known is not None:
                    carried, action = carried * known[:, row, None], action * known[:, row, None]
        return torch.stack(states, 1)


class BeliefState:
    """Turns percepts into states, block by block, and carries what the past tells.

    A block costs the same however long the past is: nothing is encoded again.
    """

    def __init__(self, belief: Belief | None) -> None:
        """`belief`: of the agent; None: the percept is the state."""
        self._belief = belief
        self._carried: Tensor | None = None

    def reset(self, batch: int) -> None:
        """B new episodes begin."""
        self._carried = None if self._belief is None else self._belief.start(batch)

    @torch.no_grad()
    def update(self, percept: Tensor, action: Tensor) -> Tensor:
        """The states [B, D] of percepts [B, D], which the blocks [B, A] led to (zeros at first)."""
        if self._belief is None:
            return percept
        assert self._carried is not None, "reset comes before the first update"
        state: Tensor
        state, self._carried = self._belief(percept, action, self._carried)
        return state
