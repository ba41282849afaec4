"""A pool of workers: gives units to those that are free, and replaces workers that die or hang."""

from __future__ import annotations

import logging
import queue
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from forethought.errors import ForethoughtError
from forethought.execution.contract import Crew, Hear, Unit, UnitOutcome
from forethought.execution.wire import pack, unpack

log = logging.getLogger(__name__)
POLL = 0.25
"""Seconds between two checks for hung workers."""
STARTUP = 120.0
"""Seconds that a worker has at least for the imports of its first unit."""
MAX_FAILED_STARTS = 2
"""After so many workers in a row that end before they are ready none is started any more."""
MAX_GONE = 10
"""The same where machines or host processes were taken away."""
WAITING_LINES = 30.0
"""Seconds between two lines that say that no worker has started yet."""


class Worker(ABC):
    """One worker; it posts its packed messages (`worker_program`), and None when it has ended.

    Attributes:
        unit: the one that it does; None: it is free. ready: it can take a unit. begun: it has begun one before.
        last_sign: time of its last message.
    """

    def __init__(self) -> None:
        """Before it is started."""
        self.unit: Unit | None = None
        self.ready = self.begun = False
        self.last_sign = time.monotonic()

    @abstractmethod
    def give(self, unit: bytes) -> None:
        """Send it a packed unit; that it has ended meanwhile is posted."""

    @abstractmethod
    def stop(self) -> tuple[str, bool]:
        """Stop it, unless it has ended: how it ended, and whether its machine or host process was taken away."""


Post = Callable[[Worker, bytes | None], None]
"""(worker, message): called from any thread."""


class Pool(Crew):
    """A crew of like workers, of which none is started before there is a unit for it."""

    def __init__(self, start: Callable[[Post], Worker], workers: int, hear: Hear, patience: float | None) -> None:
        """`start`: starts one worker; workers: at most so many; hear, patience: see `Executor.open`."""
        self._start, self._limit, self._hear, self._patience = start, workers, hear, patience
        self._waiting, self._workers = deque[Unit](), list[Worker]()
        self._inbox: queue.Queue[tuple[Worker, bytes | None]] = queue.Queue()
        self._failed_starts, self._checked, self._since = 0, time.monotonic(), time.monotonic()
        self._last: Worker | None = None

    def add(self, unit: Unit) -> None:
        """See `Crew`."""
        self._waiting.append(unit)

    def __iter__(self) -> Iterator[UnitOutcome]:
        """See `Crew`.

        Raises:
            ForethoughtError: a unit raised one, or no worker starts.
        """
        while self._waiting or self._busy:
            self._assign()
            if time.monotonic() - self._checked > POLL:
                self._checked = time.monotonic()
                yield from self._hung()
                self._say_what_is_awaited()
            try:
                worker, message = self._inbox.get(timeout=POLL)
            except queue.Empty:
                continue
            if worker not in self._workers:
                continue  # it was stopped, and what it still said is void
            worker.last_sign = time.monotonic()
            if message is None:
                yield from self._ended(worker)
            elif (content := unpack(message)) is not None:
                yield from self._take(worker, *content)

    @property
    def _busy(self) -> int:
        return sum(worker.unit is not None for worker in self._workers)

    def _assign(self) -> None:
        while len(self._workers) < min(self._limit, len(self._waiting) + self._busy):
            self._workers.append(self._start(lambda worker, message: self._inbox.put((worker, message))))
        for worker in self._workers:
            if worker.ready and worker.unit is None and self._waiting:
                worker.unit, worker.last_sign = self._waiting.popleft(), time.monotonic()
                worker.give(pack(worker.unit))

    def _take(self, worker: Worker, kind: str, value: Any) -> Iterator[UnitOutcome]:
        """One message of a worker."""
        if kind == "ready":
            worker.ready, self._failed_starts = True, 0
        elif kind == "logged":
            name, level, text = value
            logging.getLogger(name).log(level, "%s", text)
        elif kind == "begun":
            worker.begun = True
        elif kind == "said":
            self._hear(worker.unit, value)
        else:
            unit, worker.unit, self._last = worker.unit, None, worker
            assert unit is not None, "a worker answers what it was given"
            if kind == "raised":
                raise ForethoughtError(value)
            yield UnitOutcome(unit, value)

    def _ended(self, worker: Worker) -> Iterator[UnitOutcome]:
        self._workers.remove(worker)
        why, gone = worker.stop()
        if worker.unit is not None:
            yield UnitOutcome(worker.unit, lost=why, fault="gone" if gone else "died")
        elif not worker.ready:
            self._failed_starts += 1
            if self._failed_starts == (MAX_GONE if gone else MAX_FAILED_STARTS):
                raise ForethoughtError(
                    f"{self._failed_starts} workers in a row ended before their first unit, the last one because {why}; see "
                    "above why."
                )

    def _hung(self) -> Iterator[UnitOutcome]:
        """Stop workers that are silent for too long."""
        for worker in list(self._workers):
            if self._patience is None or worker.unit is None:
                continue
            limit = self._patience if worker.begun else max(self._patience, STARTUP)
            if time.monotonic() - worker.last_sign > limit:
                self._workers.remove(worker)
                worker.stop()
                yield UnitOutcome(worker.unit, lost=f"no sign of life for {limit:g} s", fault="hung")

    def _say_what_is_awaited(self) -> None:
        if any(worker.ready for worker in self._workers):
            self._since = time.monotonic()
        elif time.monotonic() - self._since > WAITING_LINES:
            self._since = time.monotonic()
            log.warning("none of %d workers has started yet; %d units wait", len(self._workers), len(self._waiting))

    def dismiss(self) -> int:
        """See `Crew`."""
        if len(self._workers) < 2 or self._last not in self._workers:
            return 0
        self._workers.remove(self._last)
        self._last.stop()
        self._limit = len(self._workers)
        return self._limit

    def close(self) -> None:
        """See `Crew`."""
        while self._workers:
            self._workers.pop().stop()
