"""Intervals of rates against published and hand-made values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forethought.evaluation.statistics import (
    rate_interval,
    student_quantile,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998 (Statistics in Medicine 17, table I, method 3), and the rule of three's neighbours.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_golden_values(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_no_trials_tell_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_is_symmetric(pair: tuple[int, int]) -> None:
    successes, trials = pair
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
    assert wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("degrees", "t"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (9, 2.2622), (30, 2.0423), (1e6, 1.96)])
def test_student_golden_values(degrees: float, t: float) -> None:
    assert student_quantile(degrees) == pytest.approx(t, abs=1e-3)


COUNTS = st.integers(1, 120).flatmap(lambda n: st.tuples(st.lists(st.integers(0, n), min_size=1, max_size=12), st.just(n)))


@given(COUNTS, st.randoms())
def test_the_rate_interval_holds_the_rate_and_stays_inside(case: tuple[list[int], int], random: Random) -> None:
    counts, tasks = case
    low, high = rate_interval(counts, tasks)
    rate = sum(counts) / (tasks * len(counts))
    assert 0 <= low <= rate + 1e-12
    assert rate - 1e-12 <= high <= 1
    assert rate_interval([tasks - count for count in counts], tasks) == pytest.approx((1 - high, 1 - low))
    random.shuffle(counts)
    assert rate_interval(counts, tasks) == (low, high), "the order of the seeds does not matter"


@given(st.integers(0, 100))
def test_one_seed_has_wilsons_interval(successes: int) -> None:
    assert rate_interval([successes], 100) == wilson(successes, 100)


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_the_rate_interval_widens_with_the_spread_between_seeds(seeds: int) -> None:
    widths = []
    for spread in (0, 5, 10, 20, 30):
        low, high = rate_interval([60 + spread, 60 - spread] + [60] * (seeds - 2), 100)
        widths.append(high - low)
    assert widths == sorted(set(widths))
    pooled = wilson(60 * seeds, 100 * seeds)
    assert widths[0] > pooled[1] - pooled[0], "equal seeds, too, are wider than their tasks pooled"


@pytest.mark.parametrize("rate", [0, 100])
def test_rates_of_0_and_100_per_cent_have_an_interval(rate: int) -> None:
    bounds = [rate_interval([rate] * seeds, 100) for seeds in (2, 3, 5, 20)]
    widths = [high - low for low, high in bounds]
    assert widths == sorted(widths, reverse=True), "more seeds, more certain"
    assert all(width > wilson(100, 100)[1] - wilson(100, 100)[0] for width in widths), "tasks count once for all seeds"


def widest_rate_interval(successes: int, tasks: int, seeds: int) -> tuple[float, float]:
    """Interval of a pooled rate whose seeds were not recorded: from the least to the greatest bound over all possible seeds."""
    bounds = [rate_interval(counts, tasks) for counts in splits(successes, tasks, seeds)]
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def splits(total: int, most: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write `total` as `parts` counts of at most `most`, in descending order."""
    if parts == 0:
        if total == 0:
            yield ()
        return
    for first in range(min(total, most), -(-total // parts) - 1, -1):
        for rest in splits(total - first, first, parts - 1):
            yield (first, *rest)


def test_seeds_that_were_not_recorded_have_the_widest_interval() -> None:
    low, high = widest_rate_interval(12, 8, 2)
    every = [rate_interval([first, 12 - first], 8) for first in range(4, 9)]
    assert (low, high) == (min(a for a, _ in every), max(b for _, b in every))
    assert widest_rate_interval(0, 50, 3) == rate_interval([0, 0, 0], 50)


def test_published_rates_have_the_interval_of_their_seeds() -> None:
    found = 0
    for file in (Path(__file__).parents[2] / "benchmarks").glob("*.json"):
        for row in json.loads(file.read_text())["rows"]:
            if not str(row["metric"]).endswith("_rate") or not isinstance(row["seeds"], list) or len(row["seeds"]) < 2:
                continue
            seeds, found = len(row["seeds"]), found + 1
            tasks, total = row["n"] // seeds, round(row["value"] * row["n"])
            if tasks == 1:  # a rate over the seeds themselves, as in `control`: each seed is one independent life
                wanted = wilson(total, seeds)
            elif row["by_seed"] is None:
                wanted = widest_rate_interval(total, tasks, seeds)
            else:
                counts = [round(rate * tasks) for rate in row["by_seed"]]
                assert sum(counts) == total
                wanted = rate_interval(counts, tasks)
            assert (row["low"], row["high"]) == pytest.approx(wanted)
    assert found > 100
