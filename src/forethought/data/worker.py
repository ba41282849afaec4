"""A process that records shards for a collection, so that an environment that dies or hangs takes only itself along.

`python -m forethought.data.worker STORE`: reads one task a line on standard input, and writes what happens, one JSON
array a line, on standard output. Nothing but JSON passes between the processes; the frames go straight to the disk.
"""

from __future__ import annotations

import io
import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from forethought.data.recorder import Job, record_shard
from forethought.errors import ForethoughtError

QUIET = 1.0
"""Seconds between two signs of life while nothing else happens."""


class EventWriter:
    """Writes events for the parent: `[event, number or sentence, why]`."""

    def __init__(self, out: io.TextIOBase) -> None:
        """Speaks on `out`."""
        self._out, self._last = out, 0.0

    def say(self, event: str, value: int | str, why: str = "") -> None:
        """One event, at once; `alive` at most once a second."""
        now = time.monotonic()
        if event == "alive" and now - self._last < QUIET:
            return
        self._last = now
        self._out.write(json.dumps([event, value, why]) + "\n")
        self._out.flush()


def listen(inbox: queue.Queue[dict[str, Any]]) -> None:
    """Hands tasks on. When the parent is gone, by whatever end, this process ends too."""
    for line in sys.stdin:
        inbox.put(json.loads(line))
    os._exit(0)


def work(store: Path) -> None:
    """Records the shards that the parent asks for, until it hangs up."""
    # Environments may print; the parent must hear events only.
    voice = EventWriter(os.fdopen(os.dup(sys.stdout.fileno()), "w"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=listen, args=(inbox,), daemon=True).start()
    try:
        job = Job.read(store)
        while True:
            task = inbox.get()
            skip = {int(number): reason for number, reason in task["skip"].items()}
            record_shard(job, task["shard"], task["alone"], skip, voice.say)
            voice.say("done", task["shard"])
    except ForethoughtError as error:
        voice.say("error", str(error))


if __name__ == "__main__":
    work(Path(sys.argv[1]))
