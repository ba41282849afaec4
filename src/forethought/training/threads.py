"""The number of threads of a training on CPUs: beside other processes fewer threads can be faster.

Threads that share a core with another process make all others wait at the end of each operation. So while other processes
leave too few cores, training measures its steps with fewer threads and keeps the fastest. On an idle machine nothing changes.

Sums depend on the number of threads in their last bits. So each change is written in the run, and a resumed training
repeats it.
"""

from __future__ import annotations

import logging
import math
import os
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)
TRIAL_STEPS, TRIAL_SECONDS = 4, 0.25
"""A count of threads is measured over at least so many steps and so many seconds."""
WATCH_SECONDS, AGAIN_SECONDS = 5.0, 60.0
"""Seconds between two looks at the other processes, and between two measurements beside busy ones."""
SHORTAGE = 0.4
"""Cores that other processes must take from ours before fewer threads are tried."""
FASTER = 1.1
"""Fewer threads must be faster by this factor."""
LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class ThreadChange:
    """Fields: phase, step: the first step with the new number. threads: that number."""

    phase: str
    step: int
    threads: int


class OtherProcesses:
    """Cores that other processes used since the last call: of the whole machine on Linux, else by the load average."""

    def __init__(self) -> None:
        """Begin now."""
        self.last = self._sample()

    def __call__(self) -> float:
        """Cores, 0 or more."""
        (wall, own, busy), last = self._sample(), self.last
        seconds = wall - last[0]
        if seconds <= 0:
            return 0.0
        self.last = wall, own, busy
        used = os.getloadavg()[0] if busy is None or last[2] is None else (busy - last[2]) / seconds
        return max(0.0, used - (own - last[1]) / seconds)

    @staticmethod
    def _sample() -> tuple[float, float, float | None]:
        """Wall-clock seconds, CPU seconds of this process, and of all processes (None without Linux's record)."""
        try:
            numbers = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        except (OSError, ValueError, IndexError):
            return time.monotonic(), time.process_time(), None
        # Without idle and waiting time, which are the fourth and the fifth number.
        busy = (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), time.process_time(), busy


class Threads:
    """Chooses the number of threads as a training runs; `before` is called before each step, `close` at the end."""

    def __init__(
        self,
        changes: list[ThreadChange],
        write: Callable[[list[dict[str, Any]]], None],
        others: Callable[[], float] | None = None,
        now: Callable[[], float] = time.monotonic,
        cores: int | None = None,
    ) -> None:
        """Start with all threads of PyTorch.

        Args:
            changes: of earlier processes, in order; `write` stores all of them. others: cores that other processes use.
            now: the clock, in seconds. cores: of this process; None: those of the machine that it may use.
        """
        self.most, self.changes, self.recorded, self.write = torch.get_num_threads(), list(changes), list(changes), write
        self.others, self.now, self.cores = others or OtherProcesses(), now, cores or usable_cores()
        # A number of threads that the user set stays.
        usual = self.most in (self.cores, self.cores // 2)
        self.fixed = self.most == 1 or not usual or any(os.environ.get(name) for name in LIMITS)
        self.looked, self.phase = self.now(), ""
        self.trial: deque[int] = deque()
        self.queue: deque[ThreadChange] = deque()

    def begin(self, phase: str, phases: list[str], step: int) -> None:
        """A phase goes on at a step: the recorded changes before it hold, those after it are repeated."""
        self.phase, self.trial, self.wait, self.next_trial = phase, deque(), TRIAL_SECONDS, self.now()
        earlier = set(phases[: phases.index(phase)])
        own = [change for change in self.recorded if change.phase == phase]
        before = [change for change in self.recorded if change.phase in earlier]
        before += [change for change in own if change.step <= step]
        self.queue = deque(change for change in own if change.step > step)
        if before:
            self._set(before[-1].threads)
        self.recorded = [change for change in self.recorded if change.phase not in earlier]

    def before(self, step: int) -> None:
        """Repeat the recorded changes; then measure when it is due."""
        while self.queue and self.queue[0].step <= step:
            self._set(self.queue.popleft().threads)
        if self.fixed or self.queue:
            return
        if self.trial:
            self._measure(step)
        elif self.now() - self.looked >= self.wait:
            self._look(step)

    def close(self) -> None:
        """Give PyTorch its own number of threads back."""
        torch.set_num_threads(self.most)

    def _look(self, step: int) -> None:
        """Start a measurement where other processes leave too few cores; take all threads where they don't any more."""
        now = self.now()
        others, self.looked, self.wait = self.others(), now, WATCH_SECONDS
        shortage = others + self.most - self.cores
        if shortage < SHORTAGE:
            if torch.get_num_threads() != self.most:
                log.info("Training on all %d threads again: other processes use %.1f cores.", self.most, others)
                self._change(step, self.most)
        elif now >= self.next_trial:
            counts = sorted({self.most, max(1, self.most - math.ceil(shortage)), 1}, reverse=True)
            self.busy, self.times = others, {count: list[float]() for count in counts}
            self.trial = deque(counts * 2)
            self._next(step)

    def _next(self, step: int) -> None:
        self._change(step, self.trial[0])
        self.began = self.last = (self.now(), step)

    def _measure(self, step: int) -> None:
        """Time one step of a trial; at its end keep the fastest number of threads."""
        now = self.now()
        self.times[self.trial[0]].append(now - self.last[0])
        self.last = (now, step)
        if step - self.began[1] < TRIAL_STEPS or now - self.began[0] < TRIAL_SECONDS:
            return
        self.trial.popleft()
        if self.trial:
            self._next(step)
            return
        seconds = {count: statistics.median(times) for count, times in self.times.items()}
        best = min(seconds, key=lambda count: seconds[count])
        chosen = best if seconds[self.most] > FASTER * seconds[best] else self.most
        self.next_trial = now + AGAIN_SECONDS
        speeds = ", ".join(f"{1 / max(one, 1e-9):.3g} steps a second on {count}" for count, one in seconds.items())
        log.info(
            "Training on %d of %d threads: other processes use %.1f cores (%s).", chosen, self.most, self.busy, speeds
        )  # fmt: skip
        self._change(step, chosen)

    def _change(self, step: int, threads: int) -> None:
        if threads != torch.get_num_threads():
            self.changes.append(ThreadChange(self.phase, step, threads))
            self.write([asdict(change) for change in self.changes])
            self._set(threads)

    def _set(self, threads: int) -> None:
        torch.set_num_threads(min(threads, self.most))


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
