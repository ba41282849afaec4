"""Batches that are read while the step before is computed; the numbers are those of reading them in turn."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Generic, TypeVar

import torch
from torch import Tensor

Batch = TypeVar("Batch")


class ReadAhead(Generic[Batch]):
    """Reads the batch of step n + 1 in a thread of its own, once that of step n is asked for.

    It is for GPUs, where reading and decoding keep the CPU busy and the step does not. On CPUs both share the same cores, and a
    batch of numbers or small pictures takes about a hundredth of its step to read (`forethought bench scale`).
    """

    def __init__(self, read: Callable[[torch.Generator], Batch], generator_of: Callable[[int], torch.Generator]) -> None:
        """`read` makes a batch from a step's generator; `generator_of` makes the generator of each step, as the loop does."""
        self.read, self.generator_of = read, generator_of
        self.thread = ThreadPoolExecutor(1, "read ahead")
        self.ahead: tuple[int, Future[tuple[Batch, Tensor]]] | None = None

    def __call__(self, step: int, generator: torch.Generator) -> Batch:
        """The batch of a step; afterwards `generator` is where reading the batch with it would have left it.

        Raises:
            Exception: what `read` raised for this step.
        """
        if self.ahead is not None and self.ahead[0] == step:
            batch, state = self.ahead[1].result()
        else:
            batch, state = self._read(step)
        # With the context of this step: processes that share a batch read their own rows of it.
        self.ahead = step + 1, self.thread.submit(copy_context().run, self._read, step + 1)
        generator.set_state(state)
        return batch

    def _read(self, step: int) -> tuple[Batch, Tensor]:
        generator = self.generator_of(step)
        return self.read(generator), generator.get_state()

    def close(self) -> None:
        """End the thread; the batch ahead is dropped."""
        self.thread.shutdown(cancel_futures=True)
