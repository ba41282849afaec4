"""An environment that observes whatever a test says, declared as the test says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld

Show = Callable[[np.ndarray, int], Any]

_numbers = itertools.count()


class Showing(gymnasium.Env[Any, Any]):
    """`show(place [2], step)` makes the observation; the place moves by the action."""

    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, space: spaces.Space[Any], show: Show, render_mode: str | None = None) -> None:
        self.observation_space, self.show, self.render_mode = space, show, render_mode
        self.metadata = {"render_modes": ["rgb_array"]}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(-1, 1, 2), 0
        return self.show(self.place, 0), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        self.place = np.clip(self.place + 0.2 * action, -2, 2)
        return self.show(self.place, self.steps), float(self.place[0]), False, False, {}

    def render(self) -> Any:
        return picture(self.place)


def picture(place: np.ndarray, side: int = 64) -> np.ndarray:
    """A bright square on grey, where the place is."""
    image = np.full((side, side, 3), 90, np.uint8)
    x, y = ((place + 2) / 4 * (side - 10)).astype(int)
    image[y : y + 10, x : x + 10] = (250, 180, 20)
    return image


def showing(
    space: spaces.Space[Any],
    show: Show,
    streams: tuple[str, ...] = ("pixels",),
    kind: type[gymnasium.Env[Any, Any]] = Showing,
    **options: Any,
) -> GymnasiumWorld:
    """One copy of a world that observes `show` of `space`."""
    name = f"forethought-tests/Showing{next(_numbers)}-v0"
    gymnasium.register(name, entry_point=kind, kwargs={"space": space, "show": show}, max_episode_steps=20)
    world = registry.make(name, 1, streams=streams, **options)
    assert isinstance(world, GymnasiumWorld)
    return world
