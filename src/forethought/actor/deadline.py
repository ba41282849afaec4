"""A deadline of a search: iterations and candidates that fit, by the speed that is measured from one iteration to the next."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

KEEP = 0.9
"""Weight of the past in the running averages of a speed, per observation."""
DEVIATIONS = 2.0
"""An expected time is the mean and so many mean deviations."""
OUTLIER = 2.0
"""A longer time counts as this multiple of the expected one: a pause of the machine says little about its speed."""
FEWEST = 16
"""Candidates of the smallest iteration."""


@runtime_checkable
class SearchTimer(Protocol):
    """What a planner asks when its decision has a deadline."""

    def candidates(self, wanted: int, iterations: int) -> int:
        """Candidates of the next iteration, at most `wanted`, if so many `iterations` are left; 0: stop.

        The first iteration always has candidates.
        """

    def done(self, candidates: int) -> None:
        """An iteration with so many candidates is over."""


class IterationTime:
    """Seconds of an iteration as a line over its candidates, `a + b * n`, from running averages."""

    def __init__(self) -> None:
        """Without an observation."""
        self.weight = self.n = self.t = self.nn = self.nt = self.deviation = 0.0

    @property
    def known(self) -> bool:
        """Whether an iteration was measured."""
        return self.weight > 0

    def observe(self, candidates: int, seconds: float) -> None:
        """Add one iteration."""
        if self.known:
            line = self._line(candidates)
            seconds = min(seconds, OUTLIER * line)
            self.deviation = KEEP * self.deviation + (1 - KEEP) * abs(seconds - line)
        else:
            self.deviation = seconds / 8
        self.weight = KEEP * self.weight + 1
        for name, value in (("n", candidates), ("t", seconds), ("nn", candidates**2), ("nt", candidates * seconds)):
            setattr(self, name, KEEP * getattr(self, name) + value)

    def expected(self, candidates: int) -> float:
        """Seconds of an iteration with so many candidates, a cautious estimate; 0 before the first observation."""
        return self._line(candidates) + DEVIATIONS * self.deviation if self.known else 0.0

    def most(self, seconds: float) -> int:
        """The largest number of candidates that is expected to fit."""
        fixed, each = self._coefficients()
        left = seconds - fixed - DEVIATIONS * self.deviation
        return 0 if left <= 0 else int(left / each) if each > 0 else 2**31

    def _line(self, candidates: int) -> float:
        fixed, each = self._coefficients()
        return fixed + each * candidates

    def _coefficients(self) -> tuple[float, float]:
        mean_n, mean_t = self.n / self.weight, self.t / self.weight
        variance = self.nn / self.weight - mean_n**2
        # With one size so far, half of the time is taken as fixed.
        slope = mean_t / mean_n / 2 if variance < 1e-3 * mean_n**2 else (self.nt / self.weight - mean_n * mean_t) / variance
        each = min(max(slope, 0.0), mean_t / mean_n)
        return mean_t - each * mean_n, each


@dataclass
class SearchDeadline:
    """The timer of one search.

    Fields:
        time: seconds of its iterations. batch: episodes that are planned for together. ends: reading of `now` at the deadline.
        iterations: done so far. evaluated: candidates of all of them.
    """

    time: IterationTime
    batch: int
    ends: float
    now: Callable[[], float]
    iterations: int = 0
    evaluated: int = 0

    def __post_init__(self) -> None:
        """The first iteration begins."""
        self.began = self.last = self.now()

    def candidates(self, wanted: int, iterations: int) -> int:
        """See `SearchTimer.candidates`."""
        least, first = min(wanted, FEWEST), self.iterations == 0
        if not self.time.known:
            return least
        seconds = self.ends - self.now()
        fitting = min(wanted, self.time.most(seconds / iterations) // self.batch)
        if fitting >= least:
            return fitting
        return least if first or self.time.expected(least * self.batch) <= seconds else 0

    def done(self, candidates: int) -> None:
        """See `SearchTimer.done`."""
        now = self.now()
        self.time.observe(candidates * self.batch, max(now - self.last, 1e-9))
        self.last = now
        self.iterations += 1
        self.evaluated += candidates


class Duration:
    """Seconds of a piece of work: running mean and mean deviation."""

    def __init__(self) -> None:
        """Without an observation."""
        self.mean = self.deviation = math.nan

    def observe(self, seconds: float) -> None:
        """Add one."""
        if math.isnan(self.mean):
            self.mean, self.deviation = seconds, seconds / 8
            return
        error = min(seconds, OUTLIER * self.mean) - self.mean
        self.deviation = KEEP * self.deviation + (1 - KEEP) * abs(error)
        self.mean += (1 - KEEP) * error

    @property
    def expected(self) -> float:
        """A cautious estimate; 0 before the first observation."""
        return 0.0 if math.isnan(self.mean) else self.mean + DEVIATIONS * self.deviation
