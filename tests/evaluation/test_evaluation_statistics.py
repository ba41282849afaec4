"""Intervals and paired tests against published and hand-made values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forethought.evaluation.statistics import auroc, auroc_interval, mcnemar, wilson


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
