"""The time of a decision: its share for the search of each level, and whether there is time for Mode-2 at all.

The timer belongs to one agent and learns its speed from decision to decision.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from forethought.actor.deadline import FEWEST, Duration, IterationTime, SearchDeadline

LATE, RATE, MOST = 0.02, 0.15, 0.6
"""Share of decisions that may be late, and how fast the margin follows it, as a share of the time; the largest margin."""
FIRST_MARGIN = 0.1
RETRY = 0.02
"""After a decision without Mode-2 its expected time falls by this share, so that it is tried again."""


@dataclass(frozen=True)
class DecisionTiming:
    """What became of a deadline.

    Fields:
        allowed_ms, used_ms: milliseconds from the observation to the action.
        iterations, candidates: iterations of the search, and candidates of all of them, level 1 first; 0 without a search.
        fell_back: whether Mode-1 acted because there was no time for one iteration.
    """

    allowed_ms: float
    used_ms: float
    iterations: tuple[int, ...]
    candidates: tuple[int, ...]
    fell_back: bool

    @property
    def late(self) -> bool:
        """Whether the decision took longer than allowed."""
        return self.used_ms > self.allowed_ms


class DecisionTimer:
    """Shares out the time of each decision. Without `begin`, nothing is limited.

    Attributes: margin: share of the time that is kept back, so that at most `LATE` of the decisions are late.
    """

    def __init__(self, levels: int, now: Callable[[], float] = time.perf_counter) -> None:
        """`levels`: L. `now`: the clock, in seconds."""
        self.now, self.levels, self.margin = now, levels, FIRST_MARGIN
        self.times = [IterationTime() for _ in range(levels)]
        self.before, self.after = Duration(), Duration()
        self.allowed: float | None = None
        self.searches: list[list[SearchDeadline]] = []

    def begin(self, milliseconds: float | None) -> None:
        """A decision begins, which may take so long; None: without a limit."""
        self.allowed = None if milliseconds is None else milliseconds / 1000
        if self.allowed is None:
            return
        self.started = self.now()
        self.ends = self.started + self.allowed * (1 - self.margin)
        self.searches = [[] for _ in range(self.levels)]
        self.controlled: float | None = None
        self.waiting = 0

    def search(self, level: int, batch: int) -> SearchDeadline | None:
        """The deadline of a search at a level from 1, for `batch` episodes; None without a limit.

        A level leaves the levels below it as much as it takes.
        """
        if self.allowed is None:
            return None
        now, seconds = self.now(), self._seconds(level)
        if level == 1:
            # Episodes with different kinds of targets are searched for in turn.
            seconds *= batch / max(batch, self.waiting)
            self.waiting -= batch
            if self.controlled is not None and not self.searches[0]:
                self.before.observe(now - self.controlled)
        deadline = SearchDeadline(self.times[level - 1], batch, now + seconds, self.now)
        self.searches[level - 1].append(deadline)
        return deadline

    def control(self, batch: int) -> bool:
        """Level 1 begins: whether there is time for one iteration of its search."""
        if self.allowed is None:
            return True
        self.controlled, self.waiting = self.now(), batch
        need = self.before.expected + self.after.expected + self.times[0].expected(FEWEST * batch)
        return self.controlled + need <= self.ends

    def may_replan(self, level: int, batch: int) -> bool:
        """Whether there is time for one iteration at an upper level, which can go on with its present plan."""
        return self.allowed is None or self.times[level - 1].expected(FEWEST * batch) <= self._seconds(level)

    def end(self, fell_back: bool) -> DecisionTiming | None:
        """The decision is made; None without a limit."""
        if self.allowed is None:
            return None
        now, allowed = self.now(), self.allowed
        if self.searches[0]:
            self.after.observe(now - self.searches[0][-1].last)
        if fell_back:
            self.before.forget(RETRY)
            self.after.forget(RETRY)
            for times in self.times:
                times.forget(RETRY)
        late = now - self.started > allowed
        self.margin = min(MOST, max(0.0, self.margin + RATE * ((1 if late else 0) - LATE)))
        self.allowed = None
        return DecisionTiming(
            1000 * allowed,
            1000 * (now - self.started),
            tuple(sum(search.iterations for search in level) for level in self.searches),
            tuple(sum(search.evaluated for search in level) for level in self.searches),
            fell_back,
        )

    def _seconds(self, level: int) -> float:
        """Seconds for the search of a level from now on."""
        below = self.before.expected if level > 1 else 0.0
        return (self.ends - self.now() - self.after.expected - below) / level
