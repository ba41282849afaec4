"""Alarms of a life: what goes wrong in it, in sentences, each with what to try next."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forethought.config import Configuration
from forethought.evaluation.baselines import EpisodeReturn
from forethought.online.progress import LifeProgress
from forethought.world_model.monitors import LEAST_STD

RECENT = 20
"""Latest episodes that count as what the agent does now."""
FEWEST = 3
"""Episodes of which an interval is made, at least."""
BEYOND = 2.0
"""A future cost this many times the largest possible one diverges."""
LEAST_ENTROPY_SHARE, LEAST_ENTROPY = 0.02, -3.0
"""Entropy of a policy that tries nothing: a share of the largest, for choices; nats a number, for continuous actions."""
LOST_SHARE = 0.02
HALF = 0.5


@dataclass(frozen=True)
class LifeAlarm:
    """Fields: message: what was observed, with its figures. advice: what to try next."""

    message: str
    advice: str


@dataclass(frozen=True)
class Standing:
    """The agent beside random actions.

    Fields: agent, random: returns, None for too few episodes. source: where the agent's comes from, in words.
    """

    agent: EpisodeReturn | None
    random: EpisodeReturn | None
    source: str

    @property
    def above(self) -> bool | None:
        """Whether the agent's interval is above that of random actions; None if it is not known yet."""
        return None if self.agent is None or self.random is None else self.agent.low > self.random.high


def standing(progress: LifeProgress) -> Standing:
    """Compare the latest evaluation, or else the latest episodes, with the first, random ones, by their 95 % intervals."""
    values = np.array([value for _, value in progress.returns], np.float64)
    random, since = values[: progress.random], values[progress.random :][-RECENT:]
    floor = _return_of(random) if len(random) > 1 else None
    if progress.evaluations:
        _, mean, low, high = progress.evaluations[-1]
        return Standing(EpisodeReturn(mean, low, high, 0.0, 0), floor, "in the latest evaluation")
    return Standing(_return_of(since) if len(since) >= FEWEST else None, floor, "in the latest episodes")


def _return_of(returns: np.ndarray[tuple[int], np.dtype[np.float64]]) -> EpisodeReturn:
    return EpisodeReturn.over(returns, np.zeros(len(returns), np.int64))


def life_alarms(progress: LifeProgress, configuration: Configuration) -> tuple[LifeAlarm, ...]:
    """All alarms, the most serious first."""
    above = standing(progress).above
    readings = progress.readings[-1][1] if progress.readings else {}
    found = [
        _stopped(progress),
        _not_finite(readings),
        _collapse(readings),
        _diverging(readings),
        _entropy(readings, configuration, above),
        _losses(progress),
        _nothing_gained(progress),
        _not_above(progress, above),
    ]
    return tuple(alarm for alarm in found if alarm is not None)


def _stopped(progress: LifeProgress) -> LifeAlarm | None:
    if progress.state != "stopped":
        return None
    return LifeAlarm(
        f"The life was stopped after {progress.steps} of {progress.total} steps: {progress.stopped_by.rstrip('.')}.",
        "go on from its last checkpoint with --resume",
    )


def _not_finite(readings: dict[str, float | None]) -> LifeAlarm | None:
    names = [name for name, value in readings.items() if value is None]
    if not names:
        return None
    return LifeAlarm(f"NaN or infinity in {', '.join(names)}.", "a new life with a lower training.online.learning_rate")


def _collapse(readings: dict[str, float | None]) -> LifeAlarm | None:
    std = readings.get("state_std")
    if std is None or std >= LEAST_STD:
        return None
    return LifeAlarm(
        f"The states have collapsed: their standard deviation over the replay is {std:.2g}, and below {LEAST_STD:g} different "
        "observations have nearly the same state.",
        "a higher training.online.variance, or a lower training.online.consistency",
    )


def _diverging(readings: dict[str, float | None]) -> LifeAlarm | None:
    cost, largest = readings.get("future_cost"), readings.get("largest_cost")
    if cost is None or largest is None or abs(cost) <= BEYOND * max(largest, 1e-6):
        return None
    return LifeAlarm(
        f"The critic diverges: it predicts a mean future cost of {cost:.3g}, and rewards as large as those of the replay, for "
        f"ever, come to {largest:.3g}.",
        "a lower training.online.target_rate, or a lower training.online.learning_rate",
    )


def _entropy(readings: dict[str, float | None], configuration: Configuration, above: bool | None) -> LifeAlarm | None:
    """A policy that has learned the task may be certain; one that is not above random actions should still try things."""
    entropy, data = readings.get("entropy"), configuration.data
    if entropy is None or above:
        return None
    if data.action_kind == "discrete":
        least = LEAST_ENTROPY_SHARE * data.decisions * math.log(max(2, data.action_size))
    else:
        least = LEAST_ENTROPY * data.block_size
    if entropy >= least:
        return None
    return LifeAlarm(
        f"The policy's entropy has fallen to {entropy:.2g}: it no longer tries other actions, and it is not above random ones.",
        "a higher training.online.entropy, or more training.online.random_steps",
    )


def _losses(progress: LifeProgress) -> LifeAlarm | None:
    if progress.lost <= LOST_SHARE * progress.episodes:
        return None
    why = f", the last because of {progress.last_loss.rstrip('.')}" if progress.last_loss else ""
    return LifeAlarm(
        f"{progress.lost} of {progress.episodes} episodes were lost{why}.",
        "the world by itself (`forethought look WORLD`): more than a tenth lost ends the life",
    )


def _nothing_gained(progress: LifeProgress) -> LifeAlarm | None:
    values = {value for _, value in progress.returns}
    if len(progress.returns) < FEWEST or len(values) > 1:
        return None
    return LifeAlarm(
        f"All {len(progress.returns)} episodes have the return {values.pop():.3g}: nothing tells good actions from bad ones.",
        "more training.online.random_steps, or a world with a denser reward",
    )


def _not_above(progress: LifeProgress, above: bool | None) -> LifeAlarm | None:
    if above is not False or progress.steps < HALF * progress.total:
        return None
    return LifeAlarm(
        f"After {progress.steps} of {progress.total} steps the agent is not above random actions.",
        "more --steps with --resume, or a higher training.online.updates_per_step in a new life",
    )
