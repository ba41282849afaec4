"""What the user can spend."""

from __future__ import annotations

import math
from dataclasses import dataclass

from forethought.errors import ForethoughtError


@dataclass(frozen=True)
class Budget:
    """Limits; None is no limit.

    Fields:
        seconds: wall-clock seconds of training, all phases together.
        memory_gib: main memory for training, GiB.
        ms_per_decision: milliseconds that level 1's search may take in a Mode-2 decision, about, on a laptop's core. Levels
            above come on top.

    Raises:
        ForethoughtError: a limit that is no positive number.
    """

    seconds: float | None = None
    memory_gib: float | None = None
    ms_per_decision: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no amount."""
        for name, value in vars(self).items():
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ForethoughtError(f"A budget of {name} = {value:g} is none: give a positive number, or leave it away.")
