"""Limits of training time, memory and decision time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from forethought.errors import ForethoughtError, require_number


@dataclass(frozen=True)
class Budget:
    """Limits of a run; None is no limit.

    Fields:
        seconds: wall-clock seconds of training, everything that `train` does. Each phase gets the steps that fit at its
            measured speed; what is cut is said and recorded.
        memory_gib: main memory for training, GiB.
        ms_per_decision: milliseconds of a whole decision of one episode, all levels together, at the 95th percentile. Searches
            stop in time; where not even one iteration fits, Mode-1 acts.
        reproducible: plan steps and candidates by estimates, so that on a machine that is fast enough weights and plans depend
            on the seed alone. The clock still cuts training; `ms_per_decision` is then an estimate for one core of a laptop.

    Raises:
        ForethoughtError: a limit is not a positive finite number.
    """

    seconds: float | None = None
    memory_gib: float | None = None
    ms_per_decision: float | None = None
    reproducible: bool = False

    def __post_init__(self) -> None:
        """Check the limits."""
        for name in ("seconds", "memory_gib", "ms_per_decision"):
            value = getattr(self, name)
            if value is not None and not 0 < require_number(value, f"A budget's {name}") < math.inf:
                raise ForethoughtError(f"A budget of {name} = {value:g} is invalid: give a positive number, or leave it out.")
