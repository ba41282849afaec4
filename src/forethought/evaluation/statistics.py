"""Confidence intervals of rates over training seeds and tasks; rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

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


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; ties are broken by position.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([-3.0, 0.0, 1.0]))
    1.0
    """
    ranks = [values.argsort().argsort().astype(np.float64) for values in (first, second)]
    return round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 12)
