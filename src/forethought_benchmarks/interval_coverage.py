"""`interval-coverage`: how often 95 % intervals of a success rate hold the true rate, by simulation of seeds and tasks.

The rate of a training seed has a Beta distribution with a known mean and standard deviation. All seeds share the tasks. The
share `SHARED` of the tasks has a difficulty of its own, the same for all seeds; on the others the seeds succeed independently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.evaluation.result_rows import row, write_results
from forethought.evaluation.statistics import rate_interval, wilson
from forethought_benchmarks.comparisons import mean_interval

NAME = "interval-coverage"
TASKS, REPEATS, SEED = 100, 1000, 0
SEEDS = (2, 3, 5, 10)
MEANS = (0.5, 0.7, 0.9, 0.97)
SPREADS = (0.0, 0.05, 0.1, 0.15, 0.2)
"""Standard deviation between seeds. A mean near 1 with a large spread is left out: most of its seeds would have a rate of 1."""
SHARED = (0.0, 0.5, 1.0)
NOMINAL, ACCEPTED = 0.95, 0.93
Interval = Callable[[tuple[int, ...]], tuple[float, float]]


def _pooled(successes: tuple[int, ...]) -> tuple[float, float]:
    return wilson(sum(successes), TASKS * len(successes))


def _student(successes: tuple[int, ...]) -> tuple[float, float]:
    _, low, high = mean_interval([count / TASKS for count in successes])
    assert low is not None and high is not None  # noqa: PT018
    return max(0.0, low), min(1.0, high)


METHODS: Mapping[str, Interval] = {
    "seeds and tasks": lambda successes: rate_interval(successes, TASKS),
    "Student over seeds": _student,
    "Wilson, pooled": _pooled,
}


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Simulate and write the rows; `seeds` are training seeds, of which there are none."""
    return write_results(out, NAME, [line for count in SEEDS for line in rows(count)])


def rows(count: int, repeats: int = REPEATS) -> list[dict[str, Any]]:
    """Coverage of each method with `count` seeds: the mean and the least over all cases, and the mean width."""
    random = np.random.default_rng(SEED)
    drawn = [(mean, simulate(mean, spread, shared, count, repeats, random)) for mean, spread, shared in cases()]
    found = []
    for name, interval in METHODS.items():
        remembered = cache(interval)
        coverage, width = [], []
        for mean, successes in drawn:
            low, high = np.array([remembered(tuple(sorted(counts))) for counts in successes.tolist()]).T
            coverage.append(float(((low <= mean) & (mean <= high)).mean()))
            width.append(float((high - low).mean()))
        figures = {
            "coverage": float(np.mean(coverage)),
            "least_coverage": min(coverage),
            "cases_below_93": sum(share < ACCEPTED for share in coverage),
            "interval_width": float(np.mean(width)),
        }
        n = repeats * len(drawn)
        found += [row(f"{count} seeds", f"{name}, {count} seeds", metric, value, n=n) for metric, value in figures.items()]
    return found


def cases() -> Iterator[tuple[float, float, float]]:
    """All simulated cases: mean rate, standard deviation between seeds, share of tasks with a difficulty of their own."""
    for shared in SHARED:
        for mean in MEANS:
            for spread in SPREADS:
                if spread <= 0.7 * np.sqrt(mean * (1 - mean)):
                    yield mean, spread, shared


def simulate(
    mean: float, spread: float, shared: float, seeds: int, repeats: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Successes of `seeds` training seeds on `TASKS` tasks: int64 [repeats, seeds]."""
    concentration = mean * (1 - mean) / max(spread, 1e-9) ** 2 - 1
    rates = random.beta(mean * concentration, (1 - mean) * concentration, (repeats, seeds)) if spread else mean
    difficulty = random.random((repeats, 1, TASKS))
    alike = random.random((repeats, 1, TASKS)) < shared
    threshold = np.where(alike, difficulty, random.random((repeats, seeds, TASKS)))
    successes: NDArray[np.int64] = (threshold < np.broadcast_to(rates, (repeats, seeds))[..., None]).sum(-1)
    return successes
