"""Worker pool of a parallel collection: assigns shards to processes, and replaces processes that die or hang."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forethought.data.recorder import ProgressCallback
from forethought.errors import ForethoughtError

log = logging.getLogger(__name__)

POLL = 0.25
"""Seconds between two checks for hung workers."""
STARTUP = 120.0
"""Seconds that a process has at least for its imports, before its first event."""


@dataclass
class ShardJob:
    """A shard to record; `alone` and `skip` (number -> reason) as in `record_shard`."""

    shard: int
    alone: bool = False
    skip: dict[int, str] = field(default_factory=dict)


def start_process(module: str, arguments: Sequence[str] = (), **how: Any) -> subprocess.Popen[Any]:
    """Start a worker process that runs a module, and talks to this one by its standard streams.

    `how`: of `subprocess.Popen`. It ends, as the modules are written (`own_streams`), when this process does.
    """
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    # One thread per process. The child gets the parent's import path, so that custom worlds are importable.
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", module, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, **how)


class Worker:
    """One worker process. Its events arrive in `inbox` as (worker, [event, value, why]), its end as (worker, None)."""

    def __init__(
        self,
        store: Path,
        inbox: queue.Queue[tuple[Worker, list[Any] | None]],
        arguments: Sequence[str] = ("",),
        claim: tuple[int, ...] = (),
    ) -> None:
        """Start the process; it waits for a task. `arguments`: of `worker.work`, after the store; `claim`: on its folder."""
        # Should this process be killed, no other one writes into the folder before the worker has ended, too.
        self._process = start_process("forethought.data.worker", [str(store), *arguments], text=True, pass_fds=claim)
        self.task: ShardJob | None = None
        self.episode: int | None = None
        self.hung = False
        self.started = False
        self.last_event = time.monotonic()
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()

    def _read(self, inbox: queue.Queue[tuple[Worker, list[Any] | None]]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            inbox.put((self, json.loads(line)))
        inbox.put((self, None))

    def begin(self, task: ShardJob) -> None:
        """Assign a task. If the process has died meanwhile, its end arrives in `inbox`."""
        assert self._process.stdin is not None
        self.task, self.episode, self.last_event = task, None, time.monotonic()
        try:
            self._process.stdin.write(json.dumps({"shard": task.shard, "alone": task.alone, "skip": task.skip}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def stop(self) -> int:
        """Kill the process, wait for its end, and return its exit code."""
        self._process.kill()
        code = self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        return code


def collect_parallel(
    store: Path,
    shards: Iterable[int],
    workers: int,
    patience: float,
    sign: ProgressCallback,
    arguments: Sequence[str] = ("",),
    claim: tuple[int, ...] = (),
) -> None:
    """Record shards in `workers` processes.

    A process that dies, or sends no event for `patience` seconds, is replaced, and the rest of its shard is recorded one
    episode at a time; the episode that fails again is left out. A process that gets no copy of the world, such as for want of a
    licence, ends, and the others do its work; the last one leaves the episode out and goes on.

    Args:
        store: an unfinished store with a recipe.
        shards: which of its shards.
        workers: 1 or more processes.
        patience: timeout in seconds.
        sign: callback of all events: `recorded` and `failed` with an episode's number, `done` with a shard's number.
        arguments: of each process (`worker.work`), after the store.
        claim: on the store's folder (`claimed`), which each process inherits.

    Raises:
        ForethoughtError: a worker reported an error that the user must fix.
    """
    waiting = deque(ShardJob(shard) for shard in shards)
    unfinished = len(waiting)
    inbox: queue.Queue[tuple[Worker, list[Any] | None]] = queue.Queue()
    pool: set[Worker] = set()
    try:
        while unfinished:
            while waiting and len(pool) < workers:
                pool.add(Worker(store, inbox, arguments, claim))
            for worker in pool:
                if worker.task is None and waiting and not worker.hung:
                    worker.begin(waiting.popleft())
            try:
                worker, message = inbox.get(timeout=POLL)
            except queue.Empty:
                _kill_hung(pool, patience)
                continue
            worker.last_event, worker.started = time.monotonic(), True
            if message is None:
                pool.discard(worker)
                waiting.extend(_remaining_jobs(worker, patience, sign))
                continue
            event, value, why = message
            if event == "error":
                raise ForethoughtError(value)
            if event == "unopened":
                workers = _without_world(worker, pool, waiting, value, why, workers, sign)
                continue
            if event == "done":
                worker.task, unfinished = None, unfinished - 1
            if event == "episode":
                worker.episode = value
            sign(event, value, why)
    finally:
        for worker in pool:
            worker.stop()


def _without_world(
    worker: Worker,
    pool: set[Worker],
    waiting: deque[ShardJob],
    number: int,
    why: str,
    workers: int,
    sign: ProgressCallback,
) -> int:
    """Give back the shard of a worker that got no copy of the world; returns the number of workers from now on."""
    task, worker.task = worker.task, None
    assert task is not None
    if len(pool) > 1:
        log.warning("%d processes collect, not %d, for another one does not start: %s", len(pool) - 1, len(pool), why)
        pool.discard(worker)
        worker.stop()
        waiting.appendleft(task)
        return len(pool)
    sign("failed", number, why)
    waiting.appendleft(ShardJob(task.shard, task.alone, {**task.skip, number: why}))
    return workers


def _kill_hung(pool: set[Worker], patience: float) -> None:
    """Kill workers without an event for `patience` seconds; their end then arrives as a message."""
    for worker in pool:
        limit = patience if worker.started else max(patience, STARTUP)
        if worker.task is not None and time.monotonic() - worker.last_event > limit:
            worker.hung = True
            worker.stop()


def _remaining_jobs(worker: Worker, patience: float, sign: ProgressCallback) -> list[ShardJob]:
    """The jobs that remain after a process has died or was killed as hung."""
    code, task = worker.stop(), worker.task
    if task is None:
        return []
    reason = f"no sign of life for {patience:g} s" if worker.hung else f"its process died ({exit_reason(code)})"
    if not task.alone:
        return [ShardJob(task.shard, alone=True)]
    if worker.episode is None:
        raise ForethoughtError(f"a collecting process twice ended before its first episode: {reason}; see above why.")
    sign("failed", worker.episode, reason)
    return [ShardJob(task.shard, alone=True, skip={**task.skip, worker.episode: reason})]


def exit_reason(code: int) -> str:
    """How a process ended, by its exit code: `signal 9`, `exit code 1`."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
