"""Dying on purpose: run something in a child process that is killed at a given operation on files; and calls that fail."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from typing import Any

from forethought.errors import ForethoughtError

KILLED = 99


def in_child(act: Callable[[], object], kill_at: int | None = None, largest_file: int | None = None) -> int:
    """Runs `act` in a forked process that dies, without any clean-up, at its `kill_at`-th operation on files.

    Returns its exit code: 0 when it came to the end, 1 when it raised `ForethoughtError`, KILLED when it died.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 2
    try:
        seen = 0

        def count(event: str, _: object) -> None:
            nonlocal seen
            if event == "open" or event.startswith(("os.", "shutil.")):
                seen += 1
                if seen == kill_at:
                    os._exit(KILLED)

        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        if kill_at is not None:
            sys.addaudithook(count)
        act()
        code = 0
    except ForethoughtError:
        code = 1
    finally:
        os._exit(code)


def raising(error: BaseException) -> Callable[..., Any]:
    """A stand-in for anything that is called, and fails."""

    def call(*given: Any, **named: Any) -> Any:
        raise error

    return call
