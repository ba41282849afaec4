"""Process of the campaign that forks a child for each task: `python -m forethought_benchmarks.reliability.child`.

It reads one JSON object a line, `{"task", "arguments", "seconds", "memory_gib"}`, and answers with one JSON object a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forethought_benchmarks.reliability.outcomes import FAULT, Outcome, attempt
from forethought_benchmarks.reliability.tasks import TASKS, warm_up


def serve() -> None:
    """Answer tasks until standard input is closed."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warm_up()
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run one task in a fork; its outcome, the signal that ended it, its seconds and the memory that it took."""
    reading, writing = os.pipe()
    before, begun = _resident(), time.perf_counter()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        _run(request, writing)
    os.close(writing)
    data = _read(reading, begun + request["seconds"])
    if data is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begun
    outcome = asdict(Outcome(FAULT, f"no end after {request['seconds']} s")) if data is None else json.loads(data or "{}")
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    return outcome | {"signal": ended, "seconds": seconds, "grown_mib": max(0.0, usage.ru_maxrss / 1024 - before)}


def _run(request: dict[str, Any], writing: int) -> None:
    """In the fork: the task, then the end of the process, without clean-up."""
    if request["memory_gib"]:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size + int(request["memory_gib"] * 2**30), hard))
    try:
        outcome = attempt(lambda: TASKS[request["task"]](**request["arguments"]))
        data = json.dumps(asdict(outcome)).encode()
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)


def _read(descriptor: int, deadline: float) -> bytes | None:
    """Everything until the end of a pipe; None if that does not come in time."""
    data = b""
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.perf_counter()))[0]:
            part = pipe.read(2**16)
            if not part:
                return data
            data += part
    return None


def _resident() -> float:
    """Resident memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    serve()
