"""Gymnasium's action spaces as an `ActionSpace`."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from forethought.errors import ForethoughtError
from forethought.types import ActionSpace


def action_space_of(space: spaces.Space[Any], world: str) -> ActionSpace:
    """Convert a Gymnasium action space to an `ActionSpace`.

    Raises:
        ForethoughtError: neither a bounded Box of floats nor Discrete.
    """
    if isinstance(space, spaces.Discrete):
        return ActionSpace("discrete", int(space.n))
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        low, high = space.low.astype(float).ravel(), space.high.astype(float).ravel()
        if (low == high).any():
            raise ForethoughtError(
                f"World {world!r} has actions whose entry {int(np.argmax(low == high))} has equal low and high "
                f"({space}): wrap the environment without that entry."
            )
        if np.isfinite(low).all() and np.isfinite(high).all():
            return ActionSpace("continuous", len(low), tuple(low.tolist()), tuple(high.tolist()))
        raise ForethoughtError(
            f"World {world!r} has unbounded actions ({space}): planning needs bounds; wrap the environment so that its Box "
            "has a finite low and high."
        )
    raise ForethoughtError(
        f"World {world!r} has the action space {space}: only a Box of floats and Discrete are supported; wrap the environment "
        "so that its actions are one of these."
    )
