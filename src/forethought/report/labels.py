"""The page's words: what each figure is called, what it means, and how a number is written."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

METRICS: dict[str, tuple[str, str]] = {
    "success_rate": ("Success, Mode-2", "share of held-out tasks solved by planning"),
    "success_low": ("… interval, low", "lower end of the 95 % interval"),
    "success_high": ("… interval, high", "upper end of the 95 % interval"),
    "held_rate": ("Still there at the end", "share of tasks where the agent also stayed at the goal"),
    "random_floor": ("Random floor", "share solved by random actions: what luck alone gives"),
    "expert_ceiling": ("Expert ceiling", "share solved by a script that sees the true state"),
    "mode1_success_rate": ("Success, Mode-1", "share solved by the fast policy alone, without planning"),
    "auto_success_rate": ("Success, auto", "share solved when the agent itself chooses when to plan"),
    "ms_per_decision_mode1": ("Mode-1 decision, ms", "median time for one decision of the fast policy"),
    "ms_per_decision_mode2": ("Mode-2 decision, ms", "median time for one planned decision"),
    "model_calls_per_decision": ("Model calls a decision", "how often the predictor runs for one planned decision"),
    "train_frames": ("Training frames", "pictures that the world model learned from"),
    "train_seconds": ("Training time, s", "wall-clock time of all learning"),
    "probe_position_r2": ("Position probe R²", "how well a linear map reads the true position from the state (1 is perfect)"),
    "seed": ("Seed", "the number that all chance grows from"),
}

CURVES: dict[str, tuple[str, str]] = {
    "batch_std": (
        "Spread of states",
        "How much states differ from each other. Near zero means that everything looks the same to the agent.",
    ),
    "within_episode_std": (
        "Spread within episodes",
        "What changes while the agent moves. Near zero, with a healthy overall spread, means that the state kept the room "
        "and lost the agent.",
    ),
    "rankme": (
        "Effective rank",
        "How many independent directions the states really use (RankMe). One or two means that they have "
        "collapsed onto a line.",
    ),
    "inverse_dynamics_r2": (
        "Actions seen, R²",
        "How well two successive states tell which action lay between them. Near zero means that the agent cannot see its "
        "own effect.",
    ),
    "bits": (
        "Told by z, bits",
        "How much the latent variable tells of one block beyond what was to be expected. A fair coin is worth one; near zero "
        "means that nothing is left to chance, or that it is not used.",
    ),
    "inverse_dynamics": (
        "Inverse dynamics",
        "How badly two successive states tell the action between them; lower is better.",
    ),
    "one_step": ("one block ahead", ""),
    "multi_step": ("several blocks ahead", ""),
    "episode_infonce": ("telling episodes apart", ""),
    "ahead_1": ("1 block ahead", ""),
    "ahead_3": ("3 blocks ahead", ""),
    "ahead_5": ("5 blocks ahead", ""),
    "temporal_distance": ("distance, learned by TD", ""),
    "logged_distance": ("distance, as logged", ""),
    "future_costs": ("future pain and hunger", ""),
    "distilled": ("copying good actions", ""),
    "imagined": ("energy of imagined outcome", ""),
}

DOORS = (("left", "right"), ("upper", "lower"))
"""A door's name by the axis along which one passes it, and by whether one does so upwards on it."""


def metric_words(name: str) -> tuple[str, str]:
    """Label and meaning of a metric; an unknown one is shown under its own name."""
    return METRICS.get(name, (plain(name), ""))


def curve_words(name: str) -> tuple[str, str]:
    """Label and explanation of a curve."""
    if name in CURVES:
        return CURVES[name]
    if name.startswith("probe_"):
        return plain(name), "Share of a true value's variance that a linear probe reads from held-out states; 1 is perfect."
    return plain(name), ""


def plain(name: str) -> str:
    """`one_step_loss` as `One step loss`, with R2 written as R²."""
    words = name.replace("_", " ").replace(" r2", " R²").strip()
    return words[:1].upper() + words[1:]


def number(value: float | int | str | None) -> str:
    """A number as people read it: three significant digits, thin groups of thousands; a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, str | bool):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "undefined"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{round(value):,}".replace(",", "\u202f")
    return f"{value:.3g}".replace("-", "\u2212")


def times(ratio: float) -> str:
    """A ratio as `2.5` or `77`."""
    return f"{ratio:.2g}" if ratio < 10 else number(round(ratio))


def percent(share: float) -> str:
    r"""0.957 as `96 %`, but never 100 % for less than all or 0 % for more than none.

    >>> [percent(share) for share in (0.957, 0.996, 0.9996, 0.0001)]
    ['96\xa0%', '99.6\xa0%', 'over 99.9\xa0%', 'under 0.1\xa0%']
    """
    least = 0.001
    if 0 < share < least or 1 - least < share < 1:
        return "under 0.1\u00a0%" if share < least else "over 99.9\u00a0%"
    shown = round(100 * share)
    if (shown == 100 and share < 1) or (shown == 0 and share > 0):
        return f"{100 * share:.1f}\u00a0%"
    return f"{shown}\u00a0%"


def heading(points: NDArray[Any], walls: Sequence[tuple[int, float]] = ()) -> str:
    """A way [P, 2] in picture coordinates (y down) as people tell it.

    `walls`: axis (0: x) and place on it of walls that one passes by doors alone.

    >>> heading(np.array([[0, 0], [9, 1], [20, 2], [21, 9], [22, 20]]))
    'right, then down'
    >>> heading(np.array([[0, 40], [18, 38], [22, 36], [22, 20]]), walls=[(0, 20.0), (1, 32.0)])
    'right, then through the right door, then through the upper door'
    """
    told: list[str] = []
    for here, there in itertools.pairwise(points):
        step = there - here
        crossed = sorted(
            ((place - here[axis]) / step[axis], axis) for axis, place in walls if (here[axis] < place) != (there[axis] < place)
        )
        axis = int(np.abs(step).argmax())
        word = (("left", "right"), ("up", "down"))[axis][int(step[axis] > 0)]
        if crossed:
            told += [f"through the {DOORS[axis][int(step[axis] > 0)]} door" for _, axis in crossed]
        elif np.abs(step).max() >= 1 and told[-1:] != [word]:
            told.append(word)
    return ", then ".join(told) or "stay"


def duration(seconds: float) -> str:
    """Seconds as `48 s`, `5 min 12 s` or `1 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
