"""Scores beside the agent's: random actions, the scripted expert, clones of the recording; returns of whole episodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forethought.evaluation.episodes import Outcomes
from forethought.evaluation.statistics import Z95, wilson

RETURN_TASKS, RETURN_STEPS = 20, 200
"""Episodes in which the return is measured, and their length in steps at most."""


@dataclass(frozen=True)
class EpisodeReturn:
    """Return of whole episodes, which are not cut at a task's budget.

    Fields:
        mean, low, high: sum of the world's rewards in an episode, with the 95 % interval of the mean over episodes.
        length: mean length in steps. episodes: their number.
    """

    mean: float
    low: float
    high: float
    length: float
    episodes: int

    @staticmethod
    def of(outcomes: Outcomes) -> EpisodeReturn:
        """The return in these episodes."""
        return EpisodeReturn.over(outcomes.returns, outcomes.lengths)

    @staticmethod
    def over(returns: NDArray[np.float64], lengths: NDArray[np.int64]) -> EpisodeReturn:
        """The return over episodes with these returns and lengths."""
        count, mean = len(returns), float(returns.mean())
        half_width = Z95 * float(returns.std(ddof=1)) / count**0.5 if count > 1 else 0.0
        return EpisodeReturn(mean, mean - half_width, mean + half_width, float(lengths.mean()), count)


@dataclass(frozen=True)
class BaselineScore:
    """Score of one baseline on the agent's tasks.

    Fields:
        name: `random`, `expert`, `cloned` (behaviour cloning with the goal) or `cloned_without_goal`.
        success_rate, success_low, success_high, tasks: as in `Score`.
        episodes: return of whole episodes; None if the world gives no rewards.
    """

    name: str
    success_rate: float
    success_low: float
    success_high: float
    tasks: int
    episodes: EpisodeReturn | None = None

    @staticmethod
    def of(name: str, outcomes: Outcomes, episodes: EpisodeReturn | None) -> BaselineScore:
        """The score of a baseline that had these outcomes."""
        count = len(outcomes.touched)
        low, high = wilson(int(outcomes.touched.sum()), count)
        return BaselineScore(name, float(outcomes.touched.mean()), low, high, count, episodes)


def baseline_figures(baselines: Iterable[BaselineScore]) -> dict[str, float]:
    """Names and values for `metrics.json`: rates of the clones, returns of all baselines."""
    figures: dict[str, float] = {}
    for baseline in baselines:
        if baseline.name.startswith("cloned"):
            figures |= {
                f"{baseline.name}_success_rate": baseline.success_rate,
                f"{baseline.name}_success_low": baseline.success_low,
                f"{baseline.name}_success_high": baseline.success_high,
            }
        figures |= return_figures(baseline.episodes, f"{baseline.name}_")
    return figures


def return_figures(episodes: EpisodeReturn | None, prefix: str = "") -> dict[str, float]:
    """Names and values of a return for `metrics.json`; none without rewards."""
    if episodes is None:
        return {}
    return {
        f"{prefix}return": episodes.mean,
        f"{prefix}return_low": episodes.low,
        f"{prefix}return_high": episodes.high,
        f"{prefix}episode_length": episodes.length,
    }
