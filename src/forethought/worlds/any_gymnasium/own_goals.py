"""Goals of the environment itself: `desired_goal` and `achieved_goal` of its observation, and its own success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.worlds.any_gymnasium.entries import Entry, Values, entries_of, numbers
from forethought.worlds.env_adapter import ACHIEVED, DESIRED

SUCCESS_KEYS = ("is_success", "success")
"""Entries of `info` by which environments say that their goal is reached."""
NUDGE = 1e-3
"""Relative change of a goal by which a dense reward differs from a sparse one."""


class OwnGoals:
    """Goals of a goal-conditioned environment (Gymnasium's GoalEnv): a Dict with `achieved_goal` and `desired_goal`.

    A goal is reached when `info['is_success']` (or `info['success']`) says so. Without it: when `compute_reward` gives what it
    gives for the goal itself, if its reward is sparse, else within `distance` (root mean square).

    Attributes:
        size: numbers of a goal.
    """

    def __init__(self, achieved: Entry, desired: Entry, world: str, distance: float) -> None:
        """achieved, desired: entries of numbers, of one size. distance: success threshold without a success of the world."""
        self._achieved, self._desired, self._world, self._distance = achieved, desired, world, distance
        self.size = desired.size

    @staticmethod
    def of(space: spaces.Space[Any], world: str, distance: float) -> OwnGoals | None:
        """The goals of an observation space; None where it has none that are numbers."""
        if not isinstance(space, spaces.Dict):
            return None
        by_path = {entry.path: entry for entry in entries_of(space)}
        pair = by_path.get(ACHIEVED), by_path.get(DESIRED)
        if pair[0] is None or pair[1] is None or pair[0].kind != "numbers" or pair[0].size != pair[1].size:
            return None
        return OwnGoals(pair[0], pair[1], world, distance)

    def read(self, environment: gymnasium.Env[Any, Any], values: Values, info: Mapping[str, Any]) -> NDArray[np.float32]:
        """Achieved goal, desired goal, and 1 if the goal is reached, float32 [2 * size + 1]."""
        achieved, desired = (numbers(entry, values[entry.path]) for entry in (self._achieved, self._desired))
        said = next((bool(np.asarray(info[key]).all()) for key in SUCCESS_KEYS if info.get(key) is not None), None)
        reached = self.reached(environment, achieved, desired) if said is None else said
        return np.concatenate([achieved, desired, np.array([reached], np.float32)])

    def reached(
        self, environment: gymnasium.Env[Any, Any], achieved: NDArray[np.float32], desired: NDArray[np.float32]
    ) -> bool:
        """Whether a goal [size] counts as reached where `achieved` [size] is.

        Raises:
            ForethoughtError: `compute_reward` fails.
        """
        if isinstance(self._desired.space, spaces.Box) and environment.has_wrapper_attr("compute_reward"):
            best, near, here = (
                self._reward(environment, point, desired) for point in (desired, self._nudged(desired), achieved)
            )
            if best == near:
                return here >= best
        distance = float(np.sqrt(np.mean((achieved.astype(np.float64) - desired) ** 2)))
        return distance <= (0.0 if self._desired.discrete else self._distance)

    def _nudged(self, desired: NDArray[np.float32]) -> NDArray[np.float32]:
        return (desired + NUDGE * (1 + np.abs(desired))).astype(np.float32)

    def _reward(
        self, environment: gymnasium.Env[Any, Any], achieved: NDArray[np.float32], desired: NDArray[np.float32]
    ) -> float:
        space: Any = self._desired.space
        points = [point.reshape(space.shape).astype(space.dtype) for point in (achieved, desired)]
        try:
            return float(environment.get_wrapper_attr("compute_reward")(*points, {}))
        except Exception as error:
            raise ForethoughtError(
                f"World {self._world!r}: compute_reward(achieved_goal, desired_goal, info) raised {type(error).__name__}: "
                f"{error}; correct it, or set the option goals='episodes'."
            ) from error
