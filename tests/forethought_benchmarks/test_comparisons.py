"""Paired tests, means and AUROC against published and hand-made values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forethought.evaluation.statistics import student_quantile
from forethought_benchmarks.comparisons import auroc, auroc_interval, mcnemar, mean_interval, paired_difference


def test_the_mean_interval_takes_any_number_of_seeds() -> None:
    assert mean_interval([0.5]) == (0.5, None, None)
    for count in (2, 5, 11, 40):
        values = np.random.default_rng(count).normal(3, 1, count).tolist()
        mean, low, high = mean_interval(values)
        assert low is not None
        assert high is not None
        assert low < mean < high
        assert mean_interval(values[::-1]) == (mean, low, high)
        assert high - mean == pytest.approx(student_quantile(count - 1) * np.std(values, ddof=1) / count**0.5)


def test_paired_difference() -> None:
    random = np.random.default_rng(0)
    hard = random.random((1, 100)) < 0.7
    better, worse = np.repeat(hard, 3, 0), np.repeat(hard, 3, 0) & (random.random((3, 100)) < 0.4)
    difference, low, high = paired_difference(better, worse)
    assert difference == pytest.approx(better.mean() - worse.mean())
    assert 0 < low < difference < high
    assert paired_difference(worse, better) == pytest.approx((-difference, -high, -low))
    assert paired_difference(better[::-1], worse[::-1]) == pytest.approx((difference, low, high))
    # Pairs by task: the same two rates on tasks that have nothing in common are less certain.
    apart = np.stack([np.roll(row, 37) for row in worse])
    _, *loose = paired_difference(better[:1], apart[:1])
    _, *tight = paired_difference(better[:1], worse[:1])
    assert tight[1] - tight[0] < loose[1] - loose[0]
    same, low, high = paired_difference(better, better)
    assert (same, low) == (0, -high)
    assert 0 < high < 1, "agents that never differed may differ on other seeds and tasks"


def outcomes(both: int, only_first: int, only_second: int, neither: int) -> tuple[list[bool], list[bool]]:
    pairs = [(True, True)] * both + [(True, False)] * only_first + [(False, True)] * only_second + [(False, False)] * neither
    return [a for a, _ in pairs], [b for _, b in pairs]


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 5, 1.0), (8, 0, 2 / 2**8), (0, 8, 2 / 2**8), (10, 2, 2 * (1 + 12 + 66) / 2**12)],
)
def test_mcnemar_is_the_exact_sign_test_on_pairs_that_differ(only_first: int, only_second: int, p: float) -> None:
    for both, neither in ((0, 0), (30, 7)):
        assert mcnemar(*outcomes(both, only_first, only_second, neither)) == pytest.approx(p)


def test_mcnemar_needs_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        mcnemar([True], [True, False])
    assert math.isfinite(mcnemar([True] * 900, [False] * 900))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_auroc_is_the_share_of_pairs_in_order(low: list[int], high: list[int]) -> None:
    pairs = [1.0 * (above > below) + 0.5 * (above == below) for below in low for above in high]
    assert auroc(np.array(low), np.array(high)) == pytest.approx(sum(pairs) / len(pairs))
    assert auroc(np.exp(low), np.exp(high)) == pytest.approx(auroc(np.array(low), np.array(high))), "ranks alone count"
    assert auroc(np.array(high), np.array(low)) == pytest.approx(1 - auroc(np.array(low), np.array(high)))


def test_auroc_interval_holds_the_value_and_widens_when_groups_are_all_alike_inside() -> None:
    random = np.random.default_rng(0)
    low, high = random.normal(0, 1, 200), random.normal(1, 1, 200)
    single, alone = np.arange(200), auroc(low, high)
    left, right = auroc_interval(low, high, single, single, 0)
    assert left < alone < right
    assert 0.05 < right - left < 0.15, "Hanley and McNeil 1982 give 0.76 -+ 0.047"
    assert auroc_interval(low, high, single, single, 0) == (left, right)
    assert auroc_interval(low, high, single, single, 1) != (left, right)
    # Every member ten times over tells no more than once; taken for independent it would seem to.
    many = np.repeat(single, 10)
    grouped = auroc_interval(low.repeat(10), high.repeat(10), many, many, 0)
    assert grouped == pytest.approx((left, right), abs=1e-9)


def test_auroc_of_what_is_fully_apart() -> None:
    low, high, groups = np.array([0.0, 1.0, 2.0]), np.array([3.0, 4.0, 5.0]), np.array([4, 7, 9])
    assert auroc(low, high) == 1.0
    assert auroc(low, low) == 0.5
    assert auroc_interval(low, high, groups, groups, 0) == (1.0, 1.0)
