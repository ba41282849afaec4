"""The executor without workers: units run one after the other in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial

from forethought.execution.contract import Crew, Executor, Hear, Outcome, Unit


class InProcess(Executor):
    """This process; what a unit raises ends the driver's loop as it is."""

    workers, here = 1, True

    def open(self, hear: Hear, patience: float | None = None, claim: tuple[int, ...] = ()) -> Crew:
        """See `Executor`."""
        return _Alone(hear)


class _Alone(Crew):
    def __init__(self, hear: Hear) -> None:
        self._hear, self._waiting = hear, deque[Unit]()

    def add(self, unit: Unit) -> None:
        self._waiting.append(unit)

    def __iter__(self) -> Iterator[Outcome]:
        while self._waiting:
            unit = self._waiting.popleft()
            yield Outcome(unit, unit.run(partial(self._hear, unit)))

    def dismiss(self) -> int:
        return 0

    def close(self) -> None:
        self._waiting.clear()
