"""The executor without workers: units run one after the other in this process."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from forethought.execution.contract import Crew, Executor, Hear, Unit, UnitOutcome


class InProcess(Executor):
    """The executor of this process; what a unit raises ends the driver's loop as it is."""

    workers, here = 1, True

    def open(self, hear: Hear, patience: float | None = None, claim: tuple[int, ...] = ()) -> Crew:
        """See `Executor`."""
        return _Alone(hear)


class _Alone(Crew):
    def __init__(self, hear: Hear) -> None:
        self._hear, self._waiting = hear, deque[Unit]()

    def add(self, unit: Unit) -> None:
        self._waiting.append(unit)

    def __iter__(self) -> Iterator[UnitOutcome]:
        while self._waiting:
            unit = self._waiting.popleft()
            with _one_thread():
                result = unit.run(partial(self._tell, unit))
            yield UnitOutcome(unit, result)

    def _tell(self, unit: Unit, message: Any) -> None:
        if message is not None:
            self._hear(unit, message)

    def dismiss(self) -> int:
        return 0

    def close(self) -> None:
        self._waiting.clear()


def _one_thread() -> AbstractContextManager[None]:
    """Compute with one thread, as worker processes do: sums depend on the number of threads in their last bits."""
    if "torch" not in sys.modules:
        return nullcontext()
    from forethought.device import one_thread

    return one_thread(True)
