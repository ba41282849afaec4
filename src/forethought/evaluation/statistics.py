"""Intervals and paired tests for success rates; how well a number ranks."""

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
    reach = Z95 / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided p-value of McNemar's test on paired outcomes (McNemar 1947): are the two equally successful?

    >>> mcnemar([True] * 8, [False] * 8)
    0.0078125
    """
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    trials, fewer = only_first + only_second, min(only_first, only_second)
    tail = float(sum(math.comb(trials, k) for k in range(fewer + 1)) / 2**trials)
    return min(1.0, 2 * tail)


T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Student's t for a two-sided 95 % interval, by the number of values."""


def seed_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean over training seeds with Student's 95 % interval; no interval (None) for one seed.

    >>> seed_interval([1.0, 2.0, 3.0])[0]
    2.0
    """
    count, mean = len(values), sum(values) / len(values)
    if count not in T95:
        return mean, None, None
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    reach = T95[count] * spread / math.sqrt(count)
    return mean, mean - reach, mean + reach


def auroc(low: NDArray[Any], high: NDArray[Any]) -> float:
    """Area under the ROC curve: how often one of `high` [M] lies above one of `low` [N], ties counted half; exact.

    >>> auroc(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    ranked = np.sort(low)
    below = np.searchsorted(ranked, high, "left") + np.searchsorted(ranked, high, "right")
    return float(below.sum() / (2 * len(low) * len(high)))


def auroc_interval(
    low: NDArray[Any],
    high: NDArray[Any],
    low_groups: NDArray[np.int64],
    high_groups: NDArray[np.int64],
    seed: int,
    resamples: int = 1000,
) -> tuple[float, float]:
    """95 % interval of `auroc` by the bootstrap over groups (episodes, say), whose members are not independent.

    It has no width where every resample is ranked without a mistake.

    Args:
        low, high: as `auroc`. low_groups, high_groups: int64 [N] and [M], the group of each. seed: of the resamples.
    """
    names, place = np.unique(np.concatenate([low_groups, high_groups]), return_inverse=True)
    first, second = np.eye(len(names))[place[: len(low)]], np.eye(len(names))[place[len(low) :]]
    above = (high > low[:, None]) + 0.5 * (high == low[:, None])
    wins = first.T @ above @ second
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    areas = ((drawn @ wins) * drawn).sum(1) / ((drawn @ first.sum(0)) * (drawn @ second.sum(0)))
    lower, upper = np.quantile(areas, [0.025, 0.975])
    return float(lower), float(upper)


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's: the correlation of the ranks, ties broken by place.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([-3.0, 0.0, 1.0]))
    1.0
    """
    ranks = [values.argsort().argsort().astype(np.float64) for values in (first, second)]
    return round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 12)
