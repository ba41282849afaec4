"""Processes that tests start and must not leave, or that are killed on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path


def children() -> set[int]:
    """Processes that this one started and that are not gone, those that other tests keep included."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(child) for children in lists for child in children.read_text().split()}


def dies(*acts: Callable[[], object]) -> None:
    """Do these in a forked process, which must be killed on the way, without any clean-up."""
    child = os.fork()
    if child == 0:
        try:
            for act in acts:
                act()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
