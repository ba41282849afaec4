"""What a unit measures: one training of one agent in one world with one seed."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field
from typing import Any

FINAL_EPISODES, EVALUATION_EPISODES, EVALUATIONS = 20, 10, 40
"""Fresh episodes at the end; episodes of each evaluation on the way; evaluations in the whole training of a baseline."""


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it has waited for, all threads."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@dataclass
class Stopwatch:
    """Wall and CPU seconds since it was made."""

    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=cpu_seconds)

    def read(self) -> tuple[float, float]:
        """Wall and CPU seconds."""
        return time.perf_counter() - self._wall, cpu_seconds() - self._cpu


def first_reaching(evaluations: list[tuple[int, float]], threshold: float) -> int | None:
    """Position of the first evaluation (steps, mean return) at or above the threshold; None if there is none.

    >>> first_reaching([(100, 20.0), (200, 500.0)], 500)
    1
    """
    return next((number for number, (_, value) in enumerate(evaluations) if value >= threshold), None)


def measured(
    episode_return: float,
    evaluations: list[tuple[int, float]],
    times: list[tuple[float, float]],
    threshold: float,
    total: tuple[float, float],
    steps: int,
) -> dict[str, Any]:
    """The figures of a unit.

    Args:
        episode_return: mean over the final episodes. evaluations: steps and mean return of each.
        times: wall and CPU seconds at each evaluation; none if unknown. threshold: that counts as solved.
        total: wall and CPU seconds of the training, its evaluations included. steps: environment steps made.
    """
    at = first_reaching(evaluations, threshold)
    wall, cpu = (None, None) if at is None or len(times) != len(evaluations) else times[at]
    return {
        "episode_return": episode_return,
        "steps_to_threshold": None if at is None else evaluations[at][0],
        "seconds_to_threshold": wall,
        "cpu_seconds_to_threshold": cpu,
        "wall_seconds": total[0],
        "cpu_seconds": total[1],
        "steps": steps,
        "curve": [list(point) for point in evaluations],
    }
