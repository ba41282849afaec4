"""The worker's side of its pipes: messages of the parent, and its own; where the parent has gone, the process exits at once."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from forethought.execution.wire import pack, unpack

HEARTBEAT_INTERVAL = 1.0
"""Least seconds between two signs of life."""


class Channel:
    """Messages in both directions, as packed objects (`wire`)."""

    def __init__(self, source: Connection, sink: Connection) -> None:
        """`source`: from the parent; it is read by a thread of its own, to notice the parent's end at any moment."""
        self._source, self._sink, self._said = source, sink, 0.0
        self._speaking = threading.Lock()
        self._inbox: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    @staticmethod
    def of_process() -> Channel:
        """The channel of this process to its parent, by its standard streams, which it gives up."""
        source, sink = own_streams()
        return Channel(Connection(source, writable=False), Connection(sink, readable=False))

    def _listen(self) -> None:
        while True:
            try:
                message = self._source.recv_bytes()
            except (EOFError, OSError):
                os._exit(0)
            self._inbox.put(message)

    def receive(self) -> Any:
        """The next message. It is unpickled, and its modules are imported, in the thread that asks."""
        return unpack(self._inbox.get())

    def say(self, message: Any) -> None:
        """Send a message, from any thread; None: a sign of life, sent at most once a second."""
        now = time.monotonic()
        if message is None and now - self._said < HEARTBEAT_INTERVAL:
            return
        self._said, packed = now, pack(message)
        try:
            with self._speaking:
                self._sink.send_bytes(packed)
        except OSError:
            # At once: as an exception it would count as the fault of the work in progress.
            os._exit(0)


def own_streams() -> tuple[int, int]:
    """Leave standard streams, Ctrl-C and notices to the parent; returns the file descriptors of what it sends and hears."""
    # Environments may read, too: they find an empty standard input, and the parent's stream carries messages only.
    source = os.dup(sys.stdin.fileno())
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    # Environments may print, so standard output is redirected; the parent's stream carries messages only.
    sink = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C reaches the whole process group; the parent alone handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The parent has said these already.
    logging.getLogger("forethought.worlds.notices").setLevel(logging.ERROR)
    return source, sink
