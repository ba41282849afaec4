"""Units for tests: what they do is what they are made with."""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forethought.errors import ForethoughtError
from forethought.execution import Emit


@dataclass(frozen=True)
class Square:
    """Emits its number and returns its square."""

    number: int
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"square {self.number}"

    def run(self, emit: Emit) -> tuple[int, int]:
        emit(self.number)
        time.sleep(self.seconds)
        logging.getLogger("units").warning("squared %d", self.number)
        return self.number**2, os.getpid()


@dataclass(frozen=True)
class Once:
    """Meets its trouble at the first attempts only: a file tells that there was one."""

    folder: Path
    number: int
    trouble: str
    times: int = 1

    @property
    def name(self) -> str:
        return f"{self.trouble} {self.number}"

    def run(self, emit: Emit) -> int:
        attempt = len(list(self.folder.glob(f"{self.name}-*")))
        (self.folder / f"{self.name}-{attempt}").touch()
        emit(None)
        if attempt < self.times:
            meet(self.trouble)
        return self.number


def meet(trouble: str) -> None:
    """Die, hang, exit, refuse or fail."""
    if trouble == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "hang":
        time.sleep(600)
    if trouble == "refuse":
        raise ForethoughtError("this unit cannot be done; choose another one.")
    if trouble == "fail":
        raise ValueError("a mistake in the unit")


def kill_host() -> Any:
    """Kill the process that started this one."""
    os.kill(os.getppid(), signal.SIGKILL)


@dataclass(frozen=True)
class Hosted(Once):
    """Like `Once`: at the first attempts the host of its worker is killed."""

    def run(self, emit: Emit) -> int:
        if len(list(self.folder.glob(f"{self.name}-*"))) < self.times:
            (self.folder / f"{self.name}-{time.monotonic_ns()}").touch()
            kill_host()
            time.sleep(60)
        return self.number


@dataclass(frozen=True)
class Where:
    """Says which raylet started its worker, one for each node of a cluster, and returns as many bytes as asked."""

    number: int
    size: int = 0
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"where {self.number}"

    def run(self, emit: Emit) -> tuple[str, bytes]:
        time.sleep(self.seconds)
        return os.environ.get("RAY_RAYLET_PID", ""), bytes(self.size)


@dataclass(frozen=True)
class Chatter:
    """Says something all the time."""

    number: int
    seconds: float

    @property
    def name(self) -> str:
        return f"chatter {self.number}"

    def run(self, emit: Emit) -> int:
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            emit(self.number)
            time.sleep(0.02)
        return self.number
