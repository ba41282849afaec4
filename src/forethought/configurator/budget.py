"""Limits of training time, memory and decision time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from forethought.errors import ForethoughtError, require_number


@dataclass(frozen=True)
class Budget:
    """Limits of a run; None is no limit.

    Fields:
        seconds: wall-clock seconds of training, all phases together.
        memory_gib: main memory for training, GiB.
        ms_per_decision: approximate milliseconds of level 1's search in a Mode-2 decision, on one core of a laptop. The time of
            upper levels is not included.

    Raises:
        ForethoughtError: a limit is not a positive finite number.
    """

    seconds: float | None = None
    memory_gib: float | None = None
    ms_per_decision: float | None = None

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, value in vars(self).items():
            if value is not None and not 0 < require_number(value, f"A budget's {name}") < math.inf:
                raise ForethoughtError(f"A budget of {name} = {value:g} is invalid: give a positive number, or leave it out.")
