"""Counts the file operations of a process that change a folder, and makes the n-th one fail.

Opening for writing, renaming, removing and making folders are seen by an audit hook, and flushes by a replaced `os.fsync`. It
cannot be undone, so it is for processes that end soon.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forethought.atomic_io import ASIDE

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
KINDS = ("none", "kill", "torn", "full", "read-only")
GROWING = {"open", "mkdir", "rename", "fsync"}
"""Operations that a full disk refuses; it lets files be removed."""


@dataclass(frozen=True)
class Fault:
    """A fault at the `at`-th operation (from 1).

    kind: `none`; `kill`: SIGKILL before it; `torn`: at a flush, half of the file is cut off, then SIGKILL; `full`: no space
        from this operation on; `read-only`: a read-only file system from this operation on.
    """

    kind: str = "none"
    at: int = 0


class Injection:
    """Notes every operation below a folder in a journal, one JSON array a line, and injects one fault."""

    def __init__(self, folder: Path, journal: Path, fault: Fault) -> None:
        """Take effect at once and until the end of the process."""
        self.folder, self.fault, self.count = os.path.abspath(folder), fault, 0
        # Opened before the hook counts; its writes reach the file also if the process is killed.
        self.journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.fsync = os.fsync
        os.fsync = self._fsync  # type: ignore[assignment]
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes | os.PathLike) and isinstance(flags, int) and flags & WRITING:
                self._operation("open", os.fsdecode(path))
        elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"):
            paths = [os.fsdecode(path) for path in arguments[:2] if isinstance(path, str | bytes | os.PathLike)]
            in_folder = event in ("os.remove", "os.rmdir") and arguments[1] not in (-1, None)
            self._operation(event.removeprefix("os."), *paths, known=in_folder)

    def _fsync(self, descriptor: int) -> None:
        self._operation("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        self.fsync(descriptor)

    def _operation(self, name: str, *paths: str, known: bool = False) -> None:
        """`known`: the path is relative to an open folder, as in `shutil.rmtree`."""
        absolute = [path if known else os.path.abspath(path) for path in paths]
        if not known and not any(path == self.folder or path.startswith(self.folder + os.sep) for path in absolute):
            return
        self.count += 1
        if self.count == self.fault.at:
            self._strike(name, absolute)
        if self.fault.at and self.count >= self.fault.at:
            self._refuse(name, absolute)
        os.write(self.journal, (json.dumps([name, *absolute]) + "\n").encode())

    def _strike(self, name: str, paths: list[str]) -> None:
        if self.fault.kind == "torn" and name == "fsync" and os.path.isfile(paths[0]):
            os.truncate(paths[0], os.path.getsize(paths[0]) // 2)
        if self.fault.kind in ("kill", "torn"):
            os.kill(os.getpid(), signal.SIGKILL)

    def _refuse(self, name: str, paths: list[str]) -> None:
        if self.fault.kind == "full" and name in GROWING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), paths[-1])
        if self.fault.kind == "read-only":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), paths[-1])


def operations(journal: Path) -> list[list[str]]:
    """The operations in a journal: name and paths."""
    return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


def saved_in(folder: Path, done: list[list[str]]) -> list[str]:
    """Paths in `folder` that these operations published (renamed to a name that is not hidden) and did not take away again."""
    found: dict[str, None] = {}
    for name, *paths in done:
        if name in ("rename", "remove", "rmdir"):
            found.pop(paths[0], None)
        if name != "rename" or paths[1].endswith(ASIDE):
            continue
        if not any(part.startswith(".") for part in Path(os.path.relpath(paths[1], folder)).parts):
            found[paths[1]] = None
    return list(found)
