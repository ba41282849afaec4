"""Gymnasium's worlds with a part of the observation hidden; importing this module registers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation

from forethought_benchmarks.control.control_worlds import ControlWorld


def positions_only(world: str, shown: Sequence[int], **options: Any) -> Any:
    """An environment that shows some numbers of another one's observation: `shown` are their places."""
    env, places = gymnasium.make(world, **options), list(shown)
    box = env.observation_space
    assert isinstance(box, spaces.Box)
    space = spaces.Box(box.low[places], box.high[places], dtype=np.float32)
    return TransformObservation(env, lambda seen: np.asarray(seen[places], np.float32), space)


HIDDEN = {"CartPolePositions-v0": ("CartPole-v1", (0, 2)), "PendulumAngle-v0": ("Pendulum-v1", (0, 1))}
"""Id -> world, and the places of the numbers that it shows: no velocities."""

_MAKER: Any = positions_only
for _name, (_world, _shown) in HIDDEN.items():
    gymnasium.register(_name, _MAKER, kwargs={"world": _world, "shown": _shown})


def _hidden(name: str, threshold: float, discrete: bool, life_steps: int, max_steps: int) -> ControlWorld:
    return ControlWorld(name, f"{__name__}:{name}", threshold, discrete, life_steps, max_steps)


_ALL = (
    _hidden("CartPolePositions-v0", 500, discrete=True, life_steps=3_000, max_steps=500),
    _hidden("PendulumAngle-v0", -200, discrete=False, life_steps=5_000, max_steps=200),
)
MEMORY_WORLDS = {world.name: world for world in _ALL}
"""Name -> world, in the order of the tables."""
