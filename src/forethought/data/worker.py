"""Worker process of a collection: records shards in isolation from the parent, in case an environment crashes or hangs.

`python -m forethought.data.worker STORE [REGISTRATION [PLACE ARGUMENT]]`: reads tasks from standard input, one JSON object a
line, and writes events to standard output, one JSON array a line. Only JSON passes between the processes; frames are written to
the disk.
"""

from __future__ import annotations

import io
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from forethought.data.recorder import Job, WorldDoesNotStart, record_shard
from forethought.errors import ForethoughtError
from forethought.worlds import notices
from forethought.worlds.any_gymnasium.registration import register_again
from forethought.worlds.own_policy import maker_from

HEARTBEAT_INTERVAL = 1.0
"""Least seconds between two `alive` events."""


class EventWriter:
    """Writes events for the parent: `[event, number or sentence, reason]`."""

    def __init__(self, out: io.TextIOBase) -> None:
        """`out`: the stream that the parent reads."""
        self._out, self._last = out, 0.0

    def say(self, event: str, value: int | str, why: str = "") -> None:
        """Write one event and flush; `alive` at most once a second. Where the parent has died, this process exits."""
        now = time.monotonic()
        if event == "alive" and now - self._last < HEARTBEAT_INTERVAL:
            return
        self._last = now
        try:
            self._out.write(json.dumps([event, value, why]) + "\n")
            self._out.flush()
        except BrokenPipeError:
            # At once: as an exception it would count as the fault of the episode in progress, which would be noted as lost.
            os._exit(0)


def listen(tasks: Iterable[str], inbox: queue.Queue[dict[str, Any]]) -> None:
    """Queue tasks, one a line. When the parent closes their stream or dies, this process exits."""
    for line in tasks:
        inbox.put(json.loads(line))
    os._exit(0)


def own_streams() -> tuple[int, int]:
    """Leave standard streams, Ctrl-C and notices to the parent; returns the file descriptors of what it sends and hears."""
    # Environments may read, too: they find an empty standard input, and the parent's stream carries tasks only.
    source = os.dup(sys.stdin.fileno())
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    # Environments may print, so standard output is redirected; the parent's stream carries events only.
    sink = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C reaches the whole process group; the parent alone handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The parent has said these already.
    logging.getLogger(notices.__name__).setLevel(logging.ERROR)
    return source, sink


def work(store: Path, registration: str = "", place: str = "", argument: str = "") -> None:
    """Record the shards that the parent asks for, until standard input is closed.

    `registration`: of the world's id, see `registry.registration`. place, argument: of a `PolicyMaker`; empty: none.
    """
    source, sink = own_streams()
    tasks, events = os.fdopen(source), EventWriter(os.fdopen(sink, "w"))
    inbox: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=listen, args=(tasks, inbox), daemon=True).start()
    # The imports are done: from now on silence means that something hangs.
    events.say("alive", 0)
    try:
        register_again(registration)
        job = Job.read(store, maker_from(place, argument) if place else None)
        while True:
            task = inbox.get()
            skip = {int(number): reason for number, reason in task["skip"].items()}
            try:
                record_shard(job, task["shard"], task["alone"], skip, events.say)
            except WorldDoesNotStart as error:
                events.say("unopened", error.number, str(error))
                continue
            events.say("done", task["shard"])
    except ForethoughtError as error:
        events.say("error", str(error))


if __name__ == "__main__":
    work(Path(sys.argv[1]), *sys.argv[2:])
