"""Success by distance: how far an observation is from the goal's, against a threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from forethought.types import StreamSpec
from forethought.worlds.any_gymnasium.observations import ObservationReader
from forethought.worlds.any_gymnasium.options import GymnasiumOptions
from forethought.worlds.env_adapter import Sight

UNSET_DISTANCE, UNSET_PIXELS = 0.25, 1.0
"""Thresholds of a world that no tasks from episodes set."""
SHOWN_SCALES = 6


class DistanceTest:
    """Success test of an environment without goals of its own.

    Attributes:
        options: names of the options that set it, the threshold first.
        is_set: whether the threshold is given.
        threshold: the largest distance that counts as reached.
    """

    def __init__(self, options: GymnasiumOptions, reader: ObservationReader) -> None:
        """options, reader: of the environment. With numbers it compares these, else images and texts."""
        self._numbers, self._streams = bool(reader.size), tuple(stream.spec for stream in reader.streams)
        self._scale = options.state_scale
        scale = np.array(options.state_scale or 1.0, np.float32)
        self._divisor, self._equal = scale, reader.discrete & (scale <= 1)
        given = options.success_distance if self._numbers else options.success_pixels
        self.options = ("success_distance", "state_scale") if self._numbers else ("success_pixels",)
        self.is_set = given is not None
        self.threshold = (UNSET_DISTANCE if self._numbers else UNSET_PIXELS) if given is None else given

    def distance(self, now: Sight, goal: Sight) -> float:
        """Scaled distance of the numbers, or the difference of the images; infinity if what must be equal differs."""
        if not self._numbers:
            return max((_difference(spec, now, goal) for spec in self._streams), default=0.0)
        if not np.array_equal(now.state[self._equal], goal.state[self._equal]):
            return math.inf
        return float(np.sqrt(np.mean(((now.state - goal.state) / self._divisor) ** 2)))

    def in_words(self) -> str:
        """The test as a phrase."""
        if not self._numbers:
            return f"mean absolute difference of the pixels to the goal's <= {self.threshold:g} of 255"
        equal = " and equal discrete entries" if self._equal.any() else ""
        units = _in_units(self._scale)
        return f"root mean square distance of the state to the goal's, {units}, <= {self.threshold:g}{equal}"


def _difference(spec: StreamSpec, now: Sight, goal: Sight) -> float:
    one, other = now.stream(spec.name), goal.stream(spec.name)
    if spec.kind == "text":
        return 0.0 if str(one) == str(other) else math.inf
    return float(np.abs(one.astype(np.float32) - other).mean())


def _in_units(scale: Sequence[float] | None) -> str:
    """The scale in words; a long one is not listed."""
    if not scale or set(scale) == {1.0}:
        return "in its own units"
    values = ", ".join(f"{value:.2g}" for value in scale[:SHOWN_SCALES])
    return f"each value divided by its scale ({values}{', ...' if len(scale) > SHOWN_SCALES else ''})"
