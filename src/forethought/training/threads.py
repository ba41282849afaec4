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
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)
TRIAL_SECONDS, TRIAL_ROUNDS = 0.06, 4
"""A number of threads is measured for so many seconds in each of so many rounds, in turn with the others."""
FIRST_SECONDS = 0.2
"""Seconds over which other processes are watched before the first measurement."""
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
    """Chooses the number of threads as a training runs, as a context; call `before` before each step."""

    def __init__(
        self,
        changes: list[ThreadChange],
        write: Callable[[list[dict[str, Any]]], None],
        others: Callable[[], float] | None = None,
        now: Callable[[], float] = time.monotonic,
        cores: int | None = None,
        measure: Callable[[Sequence[int]], Mapping[int, float]] | None = None,
        since: float | None = None,
        enabled: bool = True,
    ) -> None:
        """Start with all threads of PyTorch.

        Args:
            changes: of earlier processes, in order; `write` stores all of them. others: cores that other processes use.
            now: the clock, in seconds. cores: of this process; None: those of the machine that it may use.
            since: reading of the clock since when they are watched; None for now. enabled: False keeps all threads.
            measure: seconds of the same work with each number of threads; None for `seconds_by_threads`.
        """
        self.most, self.changes, self.recorded, self.write = torch.get_num_threads(), list(changes), list(changes), write
        self.others, self.now, self.cores = others or OtherProcesses(), now, cores or usable_cores()
        # A number of threads that the user set stays.
        usual = self.most in (self.cores, self.cores // 2)
        self.fixed = not enabled or self.most == 1 or not usual or any(os.environ.get(name) for name in LIMITS)
        self.looked = self.now() if since is None else since
        self.phase, self.wait, self.next_trial = "", FIRST_SECONDS, -math.inf
        self.measure = measure or seconds_by_threads
        self.queue: deque[ThreadChange] = deque()

    def begin(self, phase: str, phases: Sequence[str], step: int) -> None:
        """A phase goes on at a step: the recorded changes before it hold, those after it are repeated."""
        self.phase = phase
        earlier = {"", *phases[: phases.index(phase)]}
        own = [change for change in self.recorded if change.phase == phase]
        past = [change for change in self.recorded if change.phase in earlier]
        past += [change for change in own if change.step <= step]
        self.queue = deque(change for change in own if change.step > step)
        if past:
            self._set(past[-1].threads)
        # Changes of later phases are repeated when these begin.
        self.recorded = [change for change in self.recorded if change.phase not in earlier]

    def __enter__(self) -> Threads:
        """Before the first phase of a new run: look, if other processes were watched for long enough."""
        if not self.fixed and not self.recorded and self.now() - self.looked >= self.wait:
            self._look(0)
        return self

    def before(self, step: int) -> None:
        """Repeat the recorded changes; after them look, now and then, at what other processes leave."""
        while self.queue and self.queue[0].step <= step:
            self._set(self.queue.popleft().threads)
        if not self.fixed and not self.queue and self.now() - self.looked >= self.wait:
            self._look(step)

    def __exit__(self, *error: object) -> None:
        """Give PyTorch its own number of threads back."""
        torch.set_num_threads(self.most)

    def _look(self, step: int) -> None:
        """Measure where other processes leave too few cores; take all threads where they don't any more."""
        now = self.now()
        others, self.looked, self.wait = self.others(), now, WATCH_SECONDS
        shortage = others + self.most - self.cores
        if shortage < SHORTAGE:
            if torch.get_num_threads() != self.most:
                log.info("Training on all %d threads again: other processes use %.1f cores.", self.most, others)
                self._change(step, self.most)
        elif now >= self.next_trial:
            counts = sorted({self.most, max(1, self.most - math.ceil(shortage)), 1}, reverse=True)
            seconds = self.measure(counts)
            self.next_trial = self.now() + AGAIN_SECONDS
            best = min(counts, key=lambda count: seconds[count])
            chosen = best if seconds[self.most] > FASTER * seconds[best] else self.most
            speeds = ", ".join(f"{seconds[self.most] / seconds[count]:.2f} on {count}" for count in counts)
            log.info(
                "Training on %d of %d threads: other processes use %.1f cores (relative speeds: %s).",
                chosen, self.most, others, speeds,
            )  # fmt: skip
            self._change(step, chosen)

    def _change(self, step: int, threads: int) -> None:
        if threads != torch.get_num_threads():
            self.changes.append(ThreadChange(self.phase, step, threads))
            self.write([asdict(change) for change in self.changes])
            self._set(threads)

    def _set(self, threads: int) -> None:
        torch.set_num_threads(min(threads, self.most))


def seconds_by_threads(counts: Sequence[int]) -> dict[int, float]:
    """Seconds of a small training step (a convolution, a linear layer, their gradients) with each number of threads."""
    previous, generator = torch.get_num_threads(), torch.Generator().manual_seed(0)
    images = torch.rand(64, 3, 64, 64, generator=generator)
    kernel = torch.rand(32, 3, 5, 5, generator=generator).requires_grad_()
    weight = torch.rand(256, 32 * 15 * 15, generator=generator).requires_grad_()
    spent, steps = dict.fromkeys(counts, 0.0), dict.fromkeys(counts, 0)
    for count in [*counts] * TRIAL_ROUNDS:
        torch.set_num_threads(count)
        started = time.monotonic()
        while time.monotonic() - started < TRIAL_SECONDS:
            features = torch.conv2d(images, kernel, stride=4).relu().flatten(1)
            torch.autograd.grad((features @ weight.T).sum(), (kernel, weight))
            steps[count] += 1
        spent[count] += time.monotonic() - started
    torch.set_num_threads(previous)
    return {count: spent[count] / steps[count] for count in counts}


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
