"""Runs tasks in forked processes that may be killed, may hang and may ask for too much memory."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from forethought_benchmarks.reliability.outcomes import FAULT, Outcome

Item = TypeVar("Item")
Found = TypeVar("Found")
SECONDS = 120.0


def fresh_folder(folder: Path) -> Path:
    """The folder, empty: what an earlier run of a part left there is deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@dataclass(frozen=True)
class Ended:
    """End of a task. Fields: outcome; signal: that killed it, or 0; seconds; grown_mib: memory above the idle process."""

    outcome: Outcome
    signal: int
    seconds: float
    grown_mib: float


class Sandbox:
    """One process that forks a child for each task; a context manager."""

    def __init__(self, log: Path) -> None:
        """`log`: file for what the tasks print."""
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
        # One thread: a fork inherits no other.
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "forethought_benchmarks.reliability.child"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment,
            )  # fmt: skip

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()

    def run(self, task: str, seconds: float = SECONDS, memory_gib: float | None = None, **arguments: Any) -> Ended:
        """Run a task of `tasks.TASKS` in a child.

        Args:
            task: its name. seconds: after these the child is killed. memory_gib: address space that it may add.
            arguments: of the task, JSON values.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"task": task, "arguments": arguments, "seconds": seconds, "memory_gib": memory_gib}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that forks the tasks died; see its log"
        found = json.loads(line)
        outcome = Outcome(found.get("kind", FAULT), found.get("text", ""), found.get("value"))
        return Ended(outcome, found["signal"], found["seconds"], found["grown_mib"])


def over(boxes: list[Sandbox], work: Callable[[Sandbox, Item], Found], items: Iterable[Item]) -> list[Found]:
    """`work` of each item, in the order of the items, each in a free sandbox."""
    free: queue.SimpleQueue[Sandbox] = queue.SimpleQueue()
    for box in boxes:
        free.put(box)

    def one(item: Item) -> Found:
        box = free.get()
        try:
            return work(box, item)
        finally:
            free.put(box)

    with ThreadPoolExecutor(len(boxes)) as pool:
        return list(pool.map(one, items))
