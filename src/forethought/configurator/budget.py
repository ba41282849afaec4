"""What the user can spend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Limits; None is no limit.

    Fields:
        seconds: wall-clock seconds of training, all phases together.
        memory_gib: main memory for training, GiB.
        ms_per_decision: milliseconds that a Mode-2 decision may take.
    """

    seconds: float | None = None
    memory_gib: float | None = None
    ms_per_decision: float | None = None
