"""The time of a decision: its share for the search of each level, and whether there is time for Mode-2 at all.

The timer belongs to one agent and learns its speed from decision to decision.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from forethought.actor.deadline import FEWEST, Duration, IterationTime, SearchDeadline
from forethought.device import one_thread
from forethought.errors import ForethoughtError, require_number

LATE, RATE, MOST = 0.01, 0.1, 0.6
"""Share of decisions that may be late, and how fast the margin follows it, as a share of the time; the largest margin."""
FIRST_MARGIN = 0.1
PATIENCE, LONGEST_PATIENCE = 25, 1000
"""Decisions without Mode-2 after which it is tried all the same, for the machine may have become faster; each time that it is
late, twice as many, up to a limit."""


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


@runtime_checkable
class TimedPlanner(Protocol):
    """The planner of a level. Attributes: timer: of its searches; None: no limit. number: of its level, from 1."""

    timer: DecisionTimer | None
    number: int


class DecisionTimer:
    """Shares out the time of each decision. Without `begin`, nothing is limited.

    Attributes: margin: share of the time that is kept back, so that at most `LATE` of the decisions are late.
    """

    def __init__(self, levels: int, now: Callable[[], float] = time.perf_counter) -> None:
        """`levels`: L. `now`: the clock, in seconds."""
        self.now, self.levels, self.margin = now, levels, FIRST_MARGIN
        self.times = [IterationTime() for _ in range(levels)]
        self.commanding, self.before, self.after = Duration(), Duration(), Duration()
        self.warm = self.daring = False
        self.skipped, self.patience = 0, PATIENCE
        self.allowed: float | None = None
        self.searches: list[list[SearchDeadline]] = []

    def attach(self, planners: Sequence[TimedPlanner]) -> None:
        """Time the searches of all levels, level 1 first."""
        for number, planner in enumerate(planners, 1):
            planner.timer, planner.number = self, number

    @contextmanager
    def decision(self, milliseconds: float | None) -> Iterator[None]:
        """A decision within so many milliseconds, on one thread; None: without a limit.

        Raises:
            ForethoughtError: no number above 0.
        """
        if milliseconds is not None and not require_number(milliseconds, "deadline_ms") > 0:
            raise ForethoughtError(f"deadline_ms can't be {milliseconds:g}: give milliseconds above 0, or leave it out.")
        self.begin(milliseconds)
        with one_thread(milliseconds is not None):
            yield

    def begin(self, milliseconds: float | None) -> None:
        """A decision begins, which may take so long; None: without a limit."""
        self.allowed = None if milliseconds is None else milliseconds / 1000
        if self.allowed is None:
            return
        self.started = self.commanded = self.now()
        self.daring = False
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
            if self.warm and self.controlled is not None and not self.searches[0]:
                self.before.observe(now - self.controlled)
        # The first decision loads libraries and allocates: it is no measure of the others.
        measured = self.times[level - 1] if self.warm else IterationTime()
        deadline = SearchDeadline(measured, batch, now + seconds, self.now)
        self.searches[level - 1].append(deadline)
        return deadline

    def command(self) -> bool:
        """The source of subgoals begins: whether there is time for it, besides its searches."""
        if self.allowed is None:
            return True
        self.commanded = self.now()
        return self._dare(self.commanded + self.commanding.expected <= self.ends)

    def control(self, batch: int) -> bool:
        """Level 1 begins: whether there is time for one iteration of its search."""
        if self.allowed is None:
            return True
        self.controlled, self.waiting = self.now(), batch
        if self.warm:
            searched = sum(search.last - search.began for level in self.searches[1:] for search in level)
            self.commanding.observe(self.controlled - self.commanded - searched)
        need = self.before.expected + self.after.expected + self.times[0].expected(FEWEST * batch)
        return self._dare(self.controlled + need <= self.ends)

    def may_replan(self, level: int, batch: int) -> bool:
        """Whether there is time for one iteration at an upper level, which can go on with its present plan."""
        return self.allowed is None or self.times[level - 1].expected(FEWEST * batch) <= self._seconds(level)

    def end(self, fell_back: bool) -> DecisionTiming | None:
        """The decision is made; None without a limit."""
        if self.allowed is None:
            return None
        now, allowed = self.now(), self.allowed
        if self.searches[0] and self.warm:
            self.after.observe(now - self.searches[0][-1].last)
        late = now - self.started > allowed
        if self.warm:
            self.margin = min(MOST, max(0.0, self.margin + RATE * ((1 if late else 0) - LATE)))
        self._learn_to_dare(fell_back, late)
        self.allowed, self.warm = None, True
        return DecisionTiming(
            1000 * allowed,
            1000 * (now - self.started),
            tuple(sum(search.iterations for search in level) for level in self.searches),
            tuple(sum(search.evaluated for search in level) for level in self.searches),
            fell_back,
        )

    def _dare(self, fits: bool) -> bool:
        self.daring = self.daring or (not fits and self.skipped >= self.patience)
        return fits or self.daring

    def _learn_to_dare(self, fell_back: bool, late: bool) -> None:
        if fell_back:
            self.skipped += 1
        elif self.daring and late:
            self.skipped, self.patience = 0, min(2 * self.patience, LONGEST_PATIENCE)
        elif self.daring:
            self.patience = PATIENCE

    def _seconds(self, level: int) -> float:
        """Seconds for the search of a level from now on."""
        below = self.before.expected if level > 1 else 0.0
        return (self.ends - self.now() - self.after.expected - below) / level
