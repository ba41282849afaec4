"""Two actions per copy in [-1, 1], as the built-in worlds take them: validation, and the random policy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError, NonFiniteError
from forethought.types import Frame
from forethought.worlds.contract import World
from forethought.worlds.painting import Floats
from forethought.worlds.random_streams import as_seeds, counter, uniform


def checked(world: str, actions: NDArray[np.float32], copies: int) -> Floats:
    """The actions [N, 2], clipped to the box.

    Raises:
        ForethoughtError: they are of the wrong shape.
        NonFiniteError: NaN or infinity in one; says in which copy.
    """
    if np.shape(actions) != (copies, 2):
        raise ForethoughtError(f"{world} takes actions of shape ({copies}, 2), not {np.shape(actions)}.")
    if not np.isfinite(actions).all():
        copy = int(np.flatnonzero(~np.isfinite(actions).all(1))[0])
        raise NonFiniteError(f"The action for copy {copy} of {world} holds NaN or infinity: {actions[copy].tolist()}.")
    return np.clip(np.asarray(actions, dtype=np.float64), -1.0, 1.0)


class RandomPolicy:
    """Uniform actions, independent from step to step: the random floor."""

    def __init__(self, purpose: int) -> None:
        """`purpose`: the world's own number for draws of actions (see `random_streams.counter`)."""
        self._purpose = purpose

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        self._seeds, self._step = as_seeds(seeds), 0

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2]."""
        self._step += 1
        return (2 * uniform(self._seeds, counter(self._purpose, self._step), 2) - 1).astype(np.float32)
