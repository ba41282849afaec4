"""An environment whose every trouble is switched on by an argument, for the tests of adapted worlds."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld

ACTIONS: dict[str, spaces.Space[Any]] = {
    "box": spaces.Box(np.array([-2.0, -1.0]), np.array([2.0, 1.0]), dtype=np.float64),
    "discrete": spaces.Discrete(3, start=5),
    "several": spaces.MultiDiscrete([2, 2]),
    "unbounded": spaces.Box(-np.inf, np.inf, (2,)),
    "fixed": spaces.Box(np.array([-1.0, 0.5]), np.array([1.0, 0.5]), dtype=np.float64),
    "whole": spaces.Box(0, 5, (2,), np.int64),
    "words": spaces.Text(3),
}


class Dot(gymnasium.Env[Any, Any]):
    """A bright square on grey that moves by its action; every trouble is switched on by an argument."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        render_mode: str | None = None,
        frames: str = "good",
        nan_at: int = -1,
        crash_at: int = -1,
        image: bool = False,
        action: str = "box",
        global_chance: bool = False,
    ) -> None:
        self.render_mode, self.frames, self.nan_at, self.crash_at = render_mode, frames, nan_at, crash_at
        self.image, self.global_chance = image, global_chance
        vector = spaces.Box(-np.inf, np.inf, (2,))
        picture = spaces.Box(0, 255, (96, 96, 3), np.uint8)
        goals = {"desired_goal": vector, "achieved_goal": vector}
        self.observation_space = spaces.Dict({"image": picture, "state": vector, **goals}) if image else vector
        self.action_space = ACTIONS[action]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        noise = np.random.uniform(0, 5, 2) if self.global_chance else self.np_random.uniform(0, 5, 2)  # noqa: NPY002
        self.at, self.steps = 40 + noise, 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.steps += 1
        if self.steps == self.crash_at:
            raise RuntimeError("the physics exploded")
        move = np.zeros(2) if isinstance(self.action_space, spaces.Discrete) else action
        if isinstance(self.action_space, spaces.Discrete):
            move = np.array([int(action) - 6.0, 0.0])
        self.at = np.clip(self.at + move, 0, 88)
        return self.observe(), 0.0, bool(self.at[0] >= 88), False, {}

    def observe(self) -> Any:
        state = self.at.astype(np.float32)
        if self.steps == self.nan_at:
            state = state * np.float32("nan")
        goals = {"desired_goal": state, "achieved_goal": state}
        return {"image": self.draw(), "state": state, **goals} if self.image else state

    def render(self) -> Any:
        return self.draw()

    def draw(self) -> Any:
        picture = np.full((96, 96, 3), 100 if self.frames in ("good", "frozen") else 0, np.uint8)
        if self.frames == "nearly black":
            picture[:3, :3] = 200
        elif self.frames != "black":
            x, y = (40, 40) if self.frames == "frozen" else self.at.astype(int)
            picture[y : y + 8, x : x + 8] = 250
        return picture


class PixelDot(Dot):
    """Shows an image and nothing else."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.observation_space = spaces.Box(0, 255, (96, 96, 3), np.uint8)

    def observe(self) -> Any:
        return self.draw()


gymnasium.register("forethought-tests/Dot-v0", entry_point=Dot, max_episode_steps=60)
gymnasium.register("forethought-tests/PixelDot-v0", entry_point=PixelDot, max_episode_steps=60)
DOT, PIXEL_DOT = "forethought-tests/Dot-v0", "forethought-tests/PixelDot-v0"
BOTH = ("pixels", "proprioception")


def dot(num: int = 1, streams: tuple[str, ...] = BOTH, name: str = DOT, **arguments: Any) -> GymnasiumWorld:
    world = registry.make(name, num, streams=streams, arguments=arguments)
    assert isinstance(world, GymnasiumWorld)
    return world


def actions(world: GymnasiumWorld, steps: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    shape = (steps, world.num, world.spec.action.size)
    return generator.uniform(world.spec.action.low, world.spec.action.high, shape).astype(np.float32)
