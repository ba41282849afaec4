"""Labels of the report: name and meaning of each metric and curve, and the format of numbers."""

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
    "held_rate": ("Success held to the end", "share of tasks in which the agent is at the goal at the end of the episode"),
    "random_floor": ("Random floor", "share of held-out tasks solved by random actions (chance level)"),
    "expert_ceiling": ("Expert ceiling", "share of held-out tasks solved by a script that uses the true state"),
    "mode1_success_rate": ("Success, Mode-1", "share of held-out tasks solved by the policy alone, without planning"),
    "cloned_success_rate": (
        "Success, cloned",
        "share of held-out tasks solved by a policy cloned from the recording, with the goal",
    ),
    "cloned_without_goal_success_rate": ("Success, cloned without goal", "the same of a clone that does not see the goal"),
    "return": ("Return", "sum of the world's rewards in a whole episode of planning, mean over episodes"),
    "mode1_return": ("Return, Mode-1", "the same of the policy alone"),
    "auto_return": ("Return, auto", "the same when the agent chooses the mode"),
    "random_return": ("Return, random", "the same of random actions"),
    "cloned_return": ("Return, cloned", "the same of the clone with the goal"),
    "cloned_without_goal_return": ("Return, cloned without goal", "the same of the clone that does not see the goal"),
    "auto_success_rate": ("Success, auto", "share of held-out tasks solved when the agent chooses between Mode-1 and Mode-2"),
    "auto_planned_share": ("Planned decisions, auto", "share of decisions for which the agent chose Mode-2"),
    "ms_per_decision_mode1": ("Mode-1 decision, ms", "median time per decision of the policy"),
    "ms_per_decision_mode2": ("Mode-2 decision, ms", "median time per decision of the planner"),
    "model_calls_per_decision": ("Model calls per decision", "predictor calls per decision of the planner"),
    "train_frames": ("Training frames", "number of frames in the training episodes"),
    "train_seconds": ("Training time, s", "wall-clock time of all training phases"),
    "probe_position_r2": (
        "Position probe R²",
        "held-out R² of a linear map from the state to the true position (1 is perfect)",
    ),
    "tasks": ("Tasks", "number of held-out tasks"),
    "seed": ("Seed", "seed of all random number generators"),
}

CURVES: dict[str, tuple[str, str]] = {
    "batch_std": (
        "Spread of states",
        "Standard deviation of states over the batch. Near zero means that all observations map to the same state (collapse).",
    ),
    "within_episode_std": (
        "Spread within episodes",
        "Standard deviation of states within an episode. Near zero with a healthy spread of states means that the state "
        "represents the background but not the agent (slow-feature collapse).",
    ),
    "rankme": (
        "Effective rank",
        "Number of independent directions that the states use (RankMe). One or two means that the states have "
        "collapsed to a line (dimensional collapse).",
    ),
    "inverse_dynamics_r2": (
        "Inverse dynamics, R²",
        "R² of the action predicted from two successive states. Near zero means that the states do not represent the "
        "effect of actions.",
    ),
    "bits": (
        "Information in z, bits",
        "Information of the latent variable about one block beyond the prediction without it. A fair coin flip is one bit. "
        "Near zero means that transitions are deterministic or that the latent variable is unused.",
    ),
    "inverse_dynamics": (
        "Inverse dynamics",
        "Loss of the action predicted from two successive states; lower is better.",
    ),
    "one_step": ("one-step prediction", ""),
    "multi_step": ("multi-step prediction", ""),
    "episode_infonce": ("InfoNCE between episodes", ""),
    "ahead_1": ("1 block ahead", ""),
    "ahead_3": ("3 blocks ahead", ""),
    "ahead_5": ("5 blocks ahead", ""),
    "temporal_distance": ("TD distance", ""),
    "logged_distance": ("distance in logged steps", ""),
    "future_costs": ("future intrinsic costs", ""),
    "distilled": ("distillation of planned actions", ""),
    "imagined": ("cost of predicted next state", ""),
}

DOORS = (("left", "right"), ("upper", "lower"))
"""Name of a door by [axis of the crossing (0: x), 1 if the coordinate increases]."""


def metric_words(name: str) -> tuple[str, str]:
    """Label and meaning of a metric; an unknown metric keeps its own name and has an empty meaning."""
    return METRICS.get(name, (plain(name), ""))


def curve_words(name: str) -> tuple[str, str]:
    """Label and explanation of a curve."""
    if name in CURVES:
        return CURVES[name]
    if name.startswith("probe_"):
        return plain(name), "Held-out R² of a linear probe from the state to the true value; 1 is perfect."
    return plain(name), ""


def plain(name: str) -> str:
    """`one_step_loss` as `One step loss`, with R2 written as R²."""
    words = name.replace("_", " ").replace(" r2", " R²").strip()
    return words[:1].upper() + words[1:]


def number(value: float | int | str | None) -> str:
    """Format a number: three significant digits, thousands grouped by a thin space, a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, str | bool):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "undefined"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{round(value):,}".replace(",", "\u202f").replace("-", "\u2212")
    return f"{value:.3g}".replace("-", "\u2212")


def times(ratio: float) -> str:
    """A ratio as `2.5` or `77`."""
    return f"{ratio:.2g}" if ratio < 10 else number(round(ratio))


def percent(share: float) -> str:
    r"""Format a share: 0.957 as `96 %`; 100 % only for exactly 1, and 0 % only for exactly 0.

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
    """Describe a path [P, 2] in picture coordinates (y down) by its directions and doors.

    `walls`: (axis, position on the axis) of each wall that can be crossed only by doors; axis 0 is x.

    >>> heading(np.array([[0, 0], [9, 1], [20, 2], [21, 9], [22, 20]]))
    'right, then down'
    >>> heading(np.array([[0, 40], [18, 38], [22, 36], [22, 20]]), walls=[(0, 20.0), (1, 32.0)])
    'right, then through the right door, then through the upper door'
    """
    moves: list[str] = []
    for start, end in itertools.pairwise(points):
        step = end - start
        crossed = sorted(
            ((offset - start[axis]) / step[axis], axis)
            for axis, offset in walls
            if (start[axis] < offset) != (end[axis] < offset)
        )
        axis = int(np.abs(step).argmax())
        word = (("left", "right"), ("up", "down"))[axis][int(step[axis] > 0)]
        if crossed:
            moves += [f"through the {DOORS[axis][int(step[axis] > 0)]} door" for _, axis in crossed]
        elif np.abs(step).max() >= 1 and moves[-1:] != [word]:
            moves.append(word)
    return ", then ".join(moves) or "stay"


def duration(seconds: float) -> str:
    """Seconds as `48 s`, `5 min 12 s` or `1 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
