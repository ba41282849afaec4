"""Worker processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from forethought.execution.contract import Crew, Executor, Hear
from forethought.execution.dialogue import Dialogue, DialogueEnded, silent
from forethought.execution.pool import Pool, Post, Worker
from forethought.execution.wire import pack, unpack

PROGRAM = "forethought.execution.worker_program"


def start_process(module: str, arguments: Sequence[str] = (), path: Sequence[str] = (), **how: Any) -> subprocess.Popen[bytes]:
    """Start a worker process that runs a module, and talks to this one by its standard streams.

    Args:
        module, arguments: what it runs. path: of imports, after this process's own. how: of `subprocess.Popen`.

    It ends, as the modules are written (`channel.Channel`), when this process does.
    """
    paths = os.pathsep.join(dict.fromkeys(os.path.abspath(folder) for folder in (*sys.path, *path)))
    # One thread per process. The child gets the parent's import path, so that custom worlds are importable.
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", module, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0, **how)


def pipes_of(process: subprocess.Popen[bytes]) -> tuple[Connection, Connection]:
    """What a process of `start_process` reads from and writes to: (to it, from it); its own streams are closed here."""
    assert process.stdin is not None
    assert process.stdout is not None
    sink = Connection(os.dup(process.stdin.fileno()), readable=False)
    source = Connection(os.dup(process.stdout.fileno()), writable=False)
    process.stdin.close()
    process.stdout.close()
    return sink, source


def exit_reason(code: int) -> str:
    """How a process ended, by its exit code: `signal 9`, `exit code 1`."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class Program:
    """A process of the worker program or another module, and the bytes that it and its parent send one another."""

    def __init__(self, module: str = PROGRAM, path: Sequence[str] = (), **how: Any) -> None:
        """Start it. `module`: what it runs. path, how: see `start_process`."""
        self._process = start_process(module, path=path, **how)
        self._sink, self._source = pipes_of(self._process)

    def send(self, message: bytes) -> None:
        """Send a packed unit; that the process has died is told by `receive`."""
        with suppress(OSError):
            self._sink.send_bytes(message)

    def receive(self) -> bytes | None:
        """The next packed message; None: the process has ended."""
        try:
            return self._source.recv_bytes()
        except (EOFError, OSError):
            return None

    def kill(self) -> str:
        """Kill the process, unless it has ended, and return how it ended."""
        self._process.kill()
        return exit_reason(self._process.wait())

    def close(self) -> None:
        """Close the pipes; nobody may be reading from them."""
        self._sink.close()
        self._source.close()


class ProcessDialogue(Dialogue):
    """With a process of this machine."""

    def __init__(self, module: str) -> None:
        """Start it. `module`: what it runs."""
        self._process = start_process(module)
        self._sink, self._source = pipes_of(self._process)

    @property
    def dead(self) -> bool:  # type: ignore[override]  # it may die at any moment
        """See `Dialogue`."""
        return self._process.poll() is not None

    def send(self, message: object) -> None:
        """See `Dialogue`."""
        with suppress(OSError):
            self._sink.send_bytes(pack(message))

    def receive(self, limit: float) -> Any:
        """See `Dialogue`."""
        try:
            while self._source.poll(limit):
                message = unpack(self._source.recv_bytes())
                if message is not None:
                    return message
        except (EOFError, OSError):
            self._process.kill()
            raise DialogueEnded(f"its process died ({exit_reason(self._process.wait())})") from None
        self._process.kill()
        self._process.wait()
        raise silent(limit)

    def close(self) -> None:
        """See `Dialogue`."""
        self._process.kill()
        self._process.wait()
        self._sink.close()
        self._source.close()


class ProcessWorker(Worker):
    """A worker process of this machine, and the thread that hears it."""

    def __init__(self, post: Post, claim: tuple[int, ...] = ()) -> None:
        """Start it. `post`: gets its messages; `claim`: file descriptors that it keeps open."""
        super().__init__()
        self._program = Program(pass_fds=claim)
        self._reader = threading.Thread(target=self._read, args=(post,), daemon=True)
        self._reader.start()

    def _read(self, post: Post) -> None:
        while (message := self._program.receive()) is not None:
            post(self, message)
        post(self, None)

    def give(self, unit: bytes) -> None:
        """See `Worker`."""
        self._program.send(unit)

    def stop(self) -> tuple[str, bool]:
        """See `Worker`."""
        how = self._program.kill()
        self._reader.join()
        self._program.close()
        return f"its process died ({how})", False


class Processes(Executor):
    """Worker processes of this machine, one thread each. They end when this process does."""

    def __init__(self, workers: int) -> None:
        """`workers`: 1 or more."""
        self.workers = workers

    def open(self, hear: Hear, patience: float | None = None, claim: tuple[int, ...] = ()) -> Crew:
        """See `Executor`."""
        return Pool(lambda post: ProcessWorker(post, claim), self.workers, hear, patience)
