"""Comparison of agents on the same tasks, means over training seeds, and AUROC, each with its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.evaluation.statistics import SEED_CORRELATION, SEED_WEIGHT, Z95, student_quantile


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


def mean_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean of any figure over training seeds, and Student's 95 % interval; None as bounds for one seed.

    >>> mean_interval([1.0, 2.0, 3.0])[0]
    2.0
    """
    count, mean = len(values), math.fsum(values) / len(values)
    if count == 1:
        return mean, None, None
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half_width = student_quantile(count - 1) * deviation / math.sqrt(count)
    return mean, mean - half_width, mean + half_width


def paired_difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Difference of two agents' success rates on the same training seeds and tasks, with its 95 % interval.

    The seeds and the tasks are random, as in `rate_interval`, and each seed and task is a pair. The variance is that of the
    differences by seed (moderated by the prior of two rates) over S, and that of the differences by task over the tasks.
    One seed has the second part only. Half a success more for each of the four outcomes of a pair keeps the interval from
    collapsing where the agents never differ (Agresti and Min 2005).

    Args:
        first, second: bool [S, tasks], success by seed and task.

    Returns:
        Difference of the means (first - second), lower and upper bound.
    """
    (seeds, tasks), pairs = first.shape, first.astype(np.float64) - second
    difference = float(pairs.mean())
    by_task = pairs.mean(0)
    squares = float(np.square(by_task).sum()) + 1
    center = float(by_task.sum()) / (tasks + 2)
    task_part = max(squares / (tasks + 2) - center**2, 0.0) / (tasks + 2)
    if seeds == 1:
        half_width = Z95 * math.sqrt(task_part)
    else:
        prior = SEED_CORRELATION * sum(_shrunk_spread(outcomes) for outcomes in (first, second))
        degrees = SEED_WEIGHT + seeds - 1
        between = float(np.square(pairs.mean(1) - difference).sum())
        seed_part = (SEED_WEIGHT * prior + between) / degrees / seeds
        variance = seed_part + task_part
        half_width = student_quantile(degrees * (variance / seed_part) ** 2) * math.sqrt(variance)
    return difference, max(-1.0, difference - half_width), min(1.0, difference + half_width)


def _shrunk_spread(outcomes: NDArray[np.bool_]) -> float:
    """Variance p (1 - p) of outcomes [S, tasks], with two successes and two failures added."""
    rate = (float(outcomes.mean(0).sum()) + 2) / (outcomes.shape[1] + 4)
    return float(rate * (1 - rate))


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
