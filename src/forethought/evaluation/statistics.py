"""Confidence intervals and paired tests for success rates; AUROC and rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion (Wilson 1927).

    >>> low, high = wilson(97, 100)
    >>> round(low, 3), round(high, 3)
    (0.915, 0.99)
    """
    if trials == 0:
        return 0.0, 1.0
    share, square = successes / trials, Z95**2
    centre = (share + square / (2 * trials)) / (1 + square / trials)
    half_width = Z95 / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return max(0.0, centre - half_width), min(1.0, centre + half_width)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided p-value of McNemar's test (McNemar 1947); null hypothesis: both have the same success rate.

    >>> mcnemar([True] * 8, [False] * 8)
    0.0078125
    """
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    trials, fewer = only_first + only_second, min(only_first, only_second)
    tail = float(sum(math.comb(trials, k) for k in range(fewer + 1)) / 2**trials)
    return min(1.0, 2 * tail)


T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Number of values -> Student's t quantile of a two-sided 95 % interval."""


def seed_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean over training seeds and bounds of Student's 95 % interval; None as bounds for one seed or more than ten.

    >>> seed_interval([1.0, 2.0, 3.0])[0]
    2.0
    """
    count, mean = len(values), sum(values) / len(values)
    if count not in T95:
        return mean, None, None
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    half_width = T95[count] * deviation / math.sqrt(count)
    return mean, mean - half_width, mean + half_width


def auroc(low: NDArray[Any], high: NDArray[Any]) -> float:
    """Exact area under the ROC curve: share of pairs with `high` [M] above `low` [N]; a tie counts half.

    >>> auroc(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.sum() / (2 * len(low) * len(high)))


def auroc_interval(
    low: NDArray[Any],
    high: NDArray[Any],
    low_groups: NDArray[np.int64],
    high_groups: NDArray[np.int64],
    seed: int,
    resamples: int = 1000,
) -> tuple[float, float]:
    """95 % interval of `auroc` by the bootstrap over groups, such as episodes, whose members are not independent.

    The interval has zero width if all resamples are ranked without an error.

    Args:
        low, high: as in `auroc`. low_groups, high_groups: int64 [N] and [M], group of each value. seed: seed of the bootstrap.
        resamples: number of bootstrap resamples.
    """
    names, group = np.unique(np.concatenate([low_groups, high_groups]), return_inverse=True)
    first, second = np.eye(len(names))[group[: len(low)]], np.eye(len(names))[group[len(low) :]]
    above = (high > low[:, None]) + 0.5 * (high == low[:, None])
    wins = first.T @ above @ second
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    areas = ((counts @ wins) * counts).sum(1) / ((counts @ first.sum(0)) * (counts @ second.sum(0)))
    lower, upper = np.quantile(areas, [0.025, 0.975])
    return float(lower), float(upper)


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; ties are broken by position.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([-3.0, 0.0, 1.0]))
    1.0
    """
    ranks = [values.argsort().argsort().astype(np.float64) for values in (first, second)]
    return round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 12)
