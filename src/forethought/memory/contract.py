"""What the agent asks of its short-term memory; `ShortTermMemory` is the one that it has."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from forethought.errors import ForethoughtError
from forethought.memory.short_term import Recent


@runtime_checkable
class Memory(Protocol):
    """Rows of B episodes that run side by side. Learning while acting (`train_critic_online`) asks for `pairs`, too."""

    @property
    def filled(self) -> int:
        """Rows held now, the same for all episodes."""

    def reset(self, batch: int) -> None:
        """Forget everything; B new episodes begin."""

    def write(self, state: Tensor, action: Tensor, energies: Tensor) -> None:
        """Remember one row of every episode: [B, D], the block [B, A] that led there, what was felt in it [B, E]."""

    def context(self, rows: int) -> Recent:
        """The last `rows` rows, at most as many as are held."""


def require_fit(memory: Memory, context: int, state_dim: int, action_dim: int, energies: int, device: torch.device) -> None:
    """Refuse a memory that can't hold this agent's rows; it is empty afterwards.

    Raises:
        ForethoughtError: rows of these sizes don't go in, or fewer come out than a prediction reads.
    """
    memory.reset(1)
    try:
        for _ in range(context):
            memory.write(*(torch.zeros(1, size, device=device) for size in (state_dim, action_dim, energies)))
        found = memory.context(context)
    except (RuntimeError, IndexError, ForethoughtError) as error:
        raise ForethoughtError(
            f"The memory can't hold {context} rows of {state_dim}, {action_dim} and {energies} numbers (states, actions, "
            f"intrinsic energies), which this agent writes: {error}"
        ) from error
    if found.states.shape != (1, context, state_dim) or found.actions.shape != (1, context - 1, action_dim):
        raise ForethoughtError(
            f"The memory gives a context of states {list(found.states.shape)} and actions {list(found.actions.shape)}, not "
            f"{[1, context, state_dim]} and {[1, context - 1, action_dim]}: give the last {context} rows."
        )
    memory.reset(0)
