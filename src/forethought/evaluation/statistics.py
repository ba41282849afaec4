"""Confidence intervals over training seeds and tasks, paired comparisons; AUROC and rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion of independent trials (Wilson 1927): one training seed, over its tasks.

    >>> low, high = wilson(97, 100)
    >>> round(low, 3), round(high, 3)
    (0.915, 0.99)
    """
    return (0.0, 1.0) if trials == 0 else _wilson(successes / trials, trials, Z95)


def _wilson(share: float, trials: float, quantile: float) -> tuple[float, float]:
    square = quantile**2
    center = (share + square / (2 * trials)) / (1 + square / trials)
    half_width = quantile / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return max(0.0, center - half_width), min(1.0, center + half_width)


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


SEED_CORRELATION, SEED_WEIGHT = 0.1, 2
"""Prior of the between-seed variance: this share of p (1 - p), with the weight of this many degrees of freedom."""


@cache
def student_quantile(degrees: float) -> float:
    """Student's t quantile of a two-sided 95 % interval; `degrees` of freedom, at least 1, need not be whole.

    >>> round(student_quantile(1), 3), round(student_quantile(4), 3)
    (12.706, 2.776)
    """
    # With t = sqrt(degrees) tan(angle) the density is cos(angle)^(degrees - 1) on a bounded range.
    angle = np.linspace(0, np.pi / 2, 20001)
    density = np.cos(angle) ** (min(degrees, 1e4) - 1)
    mass = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return float(math.sqrt(min(degrees, 1e4)) * np.tan(np.interp(0.95 * mass[-1], mass, angle)))


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


def rate_interval(successes: Sequence[int], tasks: int) -> tuple[float, float]:
    """95 % interval of a success rate over training seeds and tasks, both random.

    It covers the mean rate of the training procedure: over new seeds, and over new tasks of the same kind. One seed gives
    Wilson's interval over tasks alone. The variance of the mean of S seeds is

        between / S + p (1 - p) / tasks.

    The tasks count once, however many seeds repeat them: a task that is hard for one seed may be hard for all. `between` is
    the variance of the rates, moderated by a prior (Smyth 2004), because two to five seeds measure it badly. The interval is
    Wilson's with the effective number of trials that has this variance, and with Student's t (degrees of freedom by
    Satterthwaite 1946). `docs/protocol.md` has the coverage by simulation.

    Args:
        successes: number of successes of each seed. tasks: number of tasks; the same tasks for all seeds.

    >>> low, high = rate_interval([85, 74, 52], 100)
    >>> round(low, 2), round(high, 2)
    (0.44, 0.88)
    """
    seeds = len(successes)
    if seeds < 2 or tasks == 0:
        return wilson(sum(successes), tasks)
    rates = [count / tasks for count in successes]
    mean = sum(successes) / (seeds * tasks)
    spread = mean * (1 - mean)
    between = math.fsum((rate - mean) ** 2 for rate in rates)
    # Variances in units of p (1 - p), so that rates of 0 and 1 need no other formula.
    relative = between / spread if spread > 0 else 0.0
    degrees = SEED_WEIGHT + seeds - 1
    by_seed = (SEED_WEIGHT * SEED_CORRELATION + relative) / degrees / seeds
    variance = by_seed + 1 / tasks
    return _wilson(mean, 1 / variance, student_quantile(degrees * (variance / by_seed) ** 2))


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


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; ties are broken by position.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([-3.0, 0.0, 1.0]))
    1.0
    """
    ranks = [values.argsort().argsort().astype(np.float64) for values in (first, second)]
    return round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 12)
