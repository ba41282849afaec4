"""Interface of short-term memory; `ShortTermMemory` is the default implementation."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from forethought.errors import ForethoughtError
from forethought.memory.short_term import Recent, ShortTermMemory


@runtime_checkable
class Memory(Protocol):
    """Rows of B parallel episodes. Online training of the critic (`train_critic_online`) also needs `pairs`."""

    @property
    def filled(self) -> int:
        """Rows held now, the same for all episodes."""

    def reset(self, batch: int) -> None:
        """Clear the memory; B new episodes begin."""

    def write(self, state: Tensor, action: Tensor, energies: Tensor) -> None:
        """Store one row of every episode: state [B, D], the block [B, A] that led there, its intrinsic energies [B, E]."""

    def context(self, rows: int) -> Recent:
        """The last `rows` rows, at most as many as are stored."""


def memory_of(
    given: Memory | None, rows: int, context: int, state_dim: int, action_dim: int, energies: int, device: torch.device
) -> Memory:
    """The short-term memory of an agent, empty: `given`, or a `ShortTermMemory` of `rows` rows if that is None.

    Raises:
        ForethoughtError: it can't store rows of these sizes, or it returns fewer than the predictor's context.
    """
    if given is None:
        return ShortTermMemory(rows, state_dim, action_dim, energies, device)
    given.reset(1)
    try:
        for _ in range(context):
            given.write(*(torch.zeros(1, size, device=device) for size in (state_dim, action_dim, energies)))
        stored = given.context(context)
    except (RuntimeError, IndexError, ForethoughtError) as error:
        raise ForethoughtError(
            f"The memory can't hold {context} rows of {state_dim}, {action_dim} and {energies} numbers (states, actions, "
            f"intrinsic energies), which this agent writes: {error}"
        ) from error
    if stored.states.shape != (1, context, state_dim) or stored.actions.shape != (1, context - 1, action_dim):
        raise ForethoughtError(
            f"The memory gives a context of states {list(stored.states.shape)} and actions {list(stored.actions.shape)}, not "
            f"{[1, context, state_dim]} and {[1, context - 1, action_dim]}: give the last {context} rows."
        )
    given.reset(0)
    return given
