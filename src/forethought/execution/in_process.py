"""The executor without workers: units run one after the other in this process."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
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
            with one_thread():
                result = unit.run(partial(self._tell, unit))
            yield UnitOutcome(unit, result)

    def _tell(self, unit: Unit, message: Any) -> None:
        if message is not None:
            self._hear(unit, message)

    def dismiss(self) -> int:
        return 0

    def close(self) -> None:
        self._waiting.clear()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, as worker processes do: sums depend on their number in the last bits."""
    torch = sys.modules.get("torch")
    before = 1 if torch is None else torch.get_num_threads()
    if before == 1 or torch is None:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
