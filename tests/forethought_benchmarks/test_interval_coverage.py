"""The intervals of success rates hold the true rate as often as they say, whatever the seeds."""

from __future__ import annotations

import numpy as np
import pytest

from forethought_benchmarks import interval_coverage
from forethought_benchmarks.comparisons import paired_difference
from forethought_benchmarks.interval_coverage import ACCEPTED, cases, rows, simulate


@pytest.mark.parametrize("seeds", interval_coverage.SEEDS)
def test_the_interval_of_seeds_and_tasks_covers(seeds: int) -> None:
    found = {(line["agent"].split(", ")[0], line["metric"]): line["value"] for line in rows(seeds, repeats=100)}
    assert found["seeds and tasks", "coverage"] >= ACCEPTED
    assert found["seeds and tasks", "least_coverage"] >= 0.75
    assert found["Wilson", "coverage"] < 0.7, "the pooled interval is far too narrow: the simulation can tell"


def test_simulated_seeds_have_the_mean_and_the_spread() -> None:
    successes = simulate(0.7, 0.15, 0.5, 4, 4000, np.random.default_rng(1)) / interval_coverage.TASKS
    assert successes.mean() == pytest.approx(0.7, abs=0.01)
    assert successes.std() == pytest.approx(np.hypot(0.15, np.sqrt(0.21 / 100)), abs=0.01)
    alike = simulate(0.7, 0.0, 1.0, 4, 10, np.random.default_rng(1))
    assert (alike == alike[:, :1]).all(), "shared tasks and equal seeds give equal outcomes"
    assert len(list(cases())) == 3 * 18


@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (2, 0.0), (2, 0.1), (3, 0.1), (5, 0.1), (5, 0.2), (10, 0.2)])
def test_the_paired_difference_covers(seeds: int, spread: float) -> None:
    random, tasks, held = np.random.default_rng(2), 100, []
    for _ in range(300):
        difficulty = random.random((1, tasks))
        ones, others = (np.clip(random.normal(mean, spread, (seeds, 1)), 0, 1) for mean in (0.7, 0.5))
        outcomes = [np.where(random.random((seeds, tasks)) < 0.5, difficulty, random.random((seeds, tasks))) for _ in "ab"]
        _, low, high = paired_difference(outcomes[0] < ones, outcomes[1] < others)
        held.append(low <= 0.2 <= high)
    assert np.mean(held) >= ACCEPTED
