"""The clock of a training with a time budget: phases get the steps that fit, at the speed that is measured as they run.

All times are seconds of training, counted from its start. A resumed training continues from the seconds of its checkpoint. Each
decision is written in the run before its first step is trained, so a resumed training repeats it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from forethought.configurator.budget_rules import ABOVE, SHARES
from forethought.training.phases import Phase

log = logging.getLogger(__name__)
MEASURED_STEPS, MEASURED_SECONDS, MANY_STEPS = 5, 0.2, 50
"""A first decision needs so many steps, and so many seconds or the larger number of steps."""
CHECK_SECONDS, WINDOW_SECONDS = 0.5, 5.0
"""Seconds between two checks of a phase, and over which its speed is measured."""
CHANGED = 0.03
"""Least change of the remaining steps, as a share, for which another number of steps is decided."""
RAISED_BELOW = 0.5
"""A part whose planned steps take less than this share of its time gets more steps."""
LENIENT = 1.25
"""A reproducible training cuts a part only if it takes this multiple of its share; the last part ends in time."""
RESERVED, LEAST_RESERVED, SAVES = 0.02, 0.4, 2
"""Kept back for what follows the last phase: a share of the budget, at least these seconds, and two times the longest save.

For the start of each later phase the time of the slowest step is kept back."""
ENCODING = 0.3
"""Largest share of the time that is left for encoding the store; fewer episodes are encoded if all take longer."""
OTHER_SHARE = 0.15
"""Share of a part that the configurator has no share for."""


@dataclass(frozen=True)
class StepDecision:
    """A decided number of steps.

    Fields:
        phase, part: names. step: the first step of the phase for which it holds. steps: of the part.
        limit: the largest number that a later decision may choose; None for no limit but time.
    """

    phase: str
    part: str
    step: int
    steps: int
    limit: int | None


@dataclass
class TrainingClock:
    """Keeps a training within its seconds.

    Fields:
        seconds: the budget of the whole training.
        reproducible: whether planned steps are an upper limit, so that fast machines train the same weights.
        spent: seconds of earlier processes, up to the checkpoint.
        decisions: of earlier processes, in order. write: stores all decisions in the run.
        fixed: parts whose steps the user chose: they may be cut, not raised.
        now: the clock, in seconds. started: its reading when this process began to train; None for the present one.
        reserved: seconds of work that is known to follow the first phase, such as encoding the store.
    """

    seconds: float
    reproducible: bool = False
    spent: float = 0.0
    decisions: list[StepDecision] = field(default_factory=list)
    write: Callable[[list[dict[str, Any]]], None] = lambda decisions: None
    fixed: Collection[str] = ()
    now: Callable[[], float] = time.monotonic
    started: float | None = None
    reserved: float = 0.0

    def __post_init__(self) -> None:
        """Start the clock."""
        self.begun = self.now() if self.started is None else self.started
        self.longest_save, self.recorded = 0.0, list(self.decisions)
        self.planned: dict[str, int] = {}
        self._ahead: list[tuple[str, str]] = []
        self.phase, self.slowest_step = "", 0.0

    @property
    def elapsed(self) -> float:
        """Seconds of training so far."""
        return self.spent + self.now() - self.begun

    @property
    def left(self) -> float:
        """Seconds for the phases from now on."""
        after = max(RESERVED * self.seconds, LEAST_RESERVED) + SAVES * self.longest_save
        starts = self.slowest_step * sum(phase != self.phase for phase in dict(self._ahead))
        return max(0.0, self.seconds - after - self.reserved - starts - self.elapsed)

    def episodes(self, count: int, seconds: float) -> int:
        """How many of `count` training episodes to encode, if all of them take so many seconds; their time is reserved."""
        self.planned[EPISODES] = count
        allowed, recorded = ENCODING * self.left, [one.steps for one in self.recorded if one.part == EPISODES]
        chosen = recorded[-1] if recorded else count if seconds <= allowed else max(1, int(count * allowed / seconds))
        if chosen < count and not recorded:
            self.decide(StepDecision("", EPISODES, 0, chosen, count))
        self.reserved = seconds * chosen / count
        return chosen

    def schedule(self, phases: Sequence[Phase]) -> None:
        """The phases that are ahead, in order, with their planned steps. Phases without trainable parameters take no time."""
        trained = [phase for phase in phases if phase.steps and any(group.parameters for group in phase.groups())]
        self._ahead = [(phase.name, part) for phase in trained for part, steps in phase.parts().items() if steps]
        self.planned |= {part: steps for phase in phases for part, steps in phase.parts().items()}

    def begin(self, phase: str) -> None:
        """A phase begins; the earlier ones are over."""
        self.phase = phase
        names = [name for name, _ in self._ahead]
        self._ahead = self._ahead[names.index(phase) :]

    def share(self, phase: str, part: str, undone: float = 1.0) -> float:
        """Share of the remaining time that is a part's; `undone`: the share of its own steps that is left."""
        later = self._ahead[self._ahead.index((phase, part)) + 1 :]
        own, others = undone * _weight(part), sum(_weight(name) for _, name in later)
        return own / (own + others) if own + others else 1.0

    def is_last(self, phase: str, part: str) -> bool:
        """Whether no part follows."""
        return self._ahead[-1] == (phase, part)

    def decide(self, decision: StepDecision) -> None:
        """Store a decision before it takes effect."""
        self.decisions.append(decision)
        self.write([asdict(one) for one in self.decisions])

    def saved(self, seconds: float) -> None:
        """A checkpoint took so many seconds."""
        self.longest_save = max(self.longest_save, seconds)

    def recorded_for(self, phase: str) -> deque[StepDecision]:
        """The decisions of earlier processes about a phase, in order."""
        return deque(decision for decision in self.recorded if decision.phase == phase)

    def summary(self) -> list[str]:
        """One sentence for each part that got more or fewer steps than planned."""
        final = {decision.part: decision for decision in self.decisions}
        return [
            f"{part}: {decision.steps:,} of {self.planned[part]:,} planned "
            f"{UNITS.get(part, 'steps')}, to {'keep' if decision.steps < self.planned[part] else 'use'} the budget "
            f"of {self.seconds:g} s at the measured speed."
            for part, decision in final.items()
            if part in self.planned and decision.steps != self.planned[part]
        ]


PAIRS, EPISODES = "distillation plans", "encoded episodes"
UNITS = {PAIRS: "pairs", EPISODES: "episodes"}


def _weight(part: str) -> float:
    name = part.replace(" ", "_")
    return SHARES.get(name, ABOVE[name][0] if name in ABOVE else OTHER_SHARE)


class Pace:
    """Decides the steps of one phase as it runs; `before` is called before each step."""

    def __init__(self, clock: TrainingClock, phase: Phase) -> None:
        """Repeats recorded decisions first; see `reach`."""
        self.clock, self.phase = clock, phase
        self.queue = clock.recorded_for(phase.name)
        self.limits: dict[str, int | None] = {}
        self.part = ""

    def reach(self, step: int) -> None:
        """Apply the recorded decisions that hold from a step on."""
        while self.queue and self.queue[0].step <= step:
            decision = self.queue.popleft()
            if decision.part == PAIRS:
                continue
            self.phase.resize(decision.part, decision.steps)
            self.limits[decision.part] = decision.limit

    def before(self, step: int) -> None:
        """Decide, when it is due, how many steps the present part gets."""
        self.reach(step)
        part, first = self._part_of(step)
        if part != self.part:
            self._begin(part, first, step)
        elapsed = self.clock.elapsed
        if step == self.since + 1 and len(self.window) == 1:
            # The first step allocates and compiles: it is no measure of the others.
            self.window[0] = (elapsed, step)
        # A part of few steps is decided at its last one, if not before.
        last = part not in self.limits and step == first + self.phase.parts()[part] - 1 and step > self.since
        if last or elapsed >= self.ends or self._due(step, elapsed):
            self.checked = elapsed
            self.window.append((elapsed, step))
            while elapsed - self.window[0][0] > WINDOW_SECONDS and len(self.window) > 2:
                self.window.popleft()
            if not self.queue:
                self._decide(part, first, step, elapsed)

    def _part_of(self, step: int) -> tuple[str, int]:
        """The part that a step belongs to, and its first step."""
        first, parts = 0, list(self.phase.parts().items())
        for part, steps in parts:
            if step < first + steps:
                return part, first
            first += steps
        raise AssertionError(f"step {step} is none of {self.phase.name}")

    def _begin(self, part: str, first: int, step: int) -> None:
        clock, steps = self.clock, self.phase.parts()[part]
        self.began = clock.elapsed
        undone = 1 - (step - first) / steps
        self.allotted = clock.left * clock.share(self.phase.name, part, undone)
        lenient = clock.reproducible and not clock.is_last(self.phase.name, part)
        self.ends = self.began + self.allotted * (LENIENT if lenient else 1.0)
        self.part, self.since, self.checked = part, step, self.began
        self.window: deque[tuple[float, int]] = deque([(self.began, step)])

    def _due(self, step: int, elapsed: float) -> bool:
        measured, seconds = step - self.window[0][1], elapsed - self.window[0][0]
        if len(self.window) > 1:
            return elapsed - self.checked >= CHECK_SECONDS
        return measured >= MEASURED_STEPS and (seconds >= MEASURED_SECONDS or measured >= MANY_STEPS)

    def _decide(self, part: str, first: int, step: int, elapsed: float) -> None:
        past, since = self.window[0]
        step_seconds = max(1e-9, (elapsed - past) / max(1, step - since))
        clock = self.clock
        clock.slowest_step = max(clock.slowest_step, step_seconds)
        done, steps = step - first, self.phase.parts()[part]
        if part not in self.limits:
            self.limits[part] = self._limit(part, step_seconds)
        # What is kept back for later phases grows with the slowest step that was seen.
        self.ends = min(self.ends, elapsed + clock.left)
        possible = done + max(1, int((self.ends - elapsed) / step_seconds))
        limit = self.limits[part]
        target = possible if limit is None else min(possible, limit)
        if abs(target - steps) > CHANGED * (steps - done) or elapsed >= self.ends:
            self._apply(StepDecision(self.phase.name, part, step, target, limit))

    def _limit(self, part: str, step_seconds: float) -> int | None:
        planned = self.clock.planned[part]
        may_raise = not self.clock.reproducible and part not in self.clock.fixed
        return None if may_raise and planned * step_seconds < RAISED_BELOW * self.allotted else planned

    def _apply(self, decision: StepDecision) -> None:
        if decision.steps != self.phase.parts()[decision.part]:
            self.clock.decide(decision)
            self.phase.resize(decision.part, decision.steps)


class StartLimit:
    """Bounds the pairs for which the policy's teacher plans: half of the time that is left for the policy."""

    def __init__(self, clock: TrainingClock, phase: Phase) -> None:
        """`phase`: the one that is about to start."""
        self.clock, self.phase = clock, phase
        recorded = [decision for decision in clock.recorded_for(phase.name) if decision.part == PAIRS]
        self.decided = recorded[-1].steps if recorded else None
        part = next(iter(phase.parts()))
        self.began, self.seconds = clock.elapsed, 0.5 * clock.left * clock.share(phase.name, part)

    def enough(self, done: int, total: int, chunk: int) -> bool:
        """Whether `done` of `total` pairs must do; asked after each chunk of pairs."""
        if self.decided is not None:
            return done >= self.decided
        self.clock.planned[PAIRS] = total
        spent = self.clock.elapsed - self.began
        if done < total and spent * (1 + chunk / done) > self.seconds:
            self.clock.decide(StepDecision(self.phase.name, PAIRS, 0, done, total))
            return True
        return False
