"""A time limit for calls into other people's code, so that an environment that hangs costs an episode and not the run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimedOut(BaseException):
    """A call took longer than its limit. No `Exception`, so that an environment that catches those does not swallow it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `TimedOut` in the body after `seconds`; None: never.

    It interrupts Python code in the main thread (loops, sleeping, waiting for a socket) on systems with SIGALRM. A call inside
    compiled code is interrupted when it returns; elsewhere there is no limit.
    """
    usable = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    # Somebody else's alarm, such as that of a test runner, is left alone.
    if seconds is None or not usable or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    before = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise TimedOut
