"""One copy of a built-in world as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, Frame, Observation, StreamSpec, WorldTask
from forethought.worlds.crossing import CrossingWorld
from forethought.worlds.crossing.world import NAME as CROSSING
from forethought.worlds.rooms import RoomsWorld
from forethought.worlds.rooms.world import NAME as ROOMS

Shown = NDArray[Any] | dict[str, NDArray[Any]]
"""The picture, or, where a world has more streams, a dictionary of them."""


class BuiltInEnv(gymnasium.Env[Shown, NDArray[np.float32]]):
    """A built-in world for `gymnasium.make`; options are the world's own.

    Observation: uint8 [64, 64, 3], or a dictionary of streams where the world has more than pixels. Action: float32 [2] in
    [-1, 1]. Reward: 1 in the step that reaches the goal, which ends the episode; without a task
    (`reset(options={"task": WorldTask(...)})`) there is none, and episodes are truncated at `max_steps`. Info: `truth` and
    `drives` as in `Frame`, and `goal`, what the goal shows, where there is a task.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  (Gymnasium declares it so)

    def __init__(
        self, world: Callable[..., RoomsWorld | CrossingWorld], render_mode: str | None = None, **options: Any
    ) -> None:
        """One copy of `world`."""
        self.render_mode = render_mode
        self.world = world(1, **options)
        spaces: dict[str, gymnasium.spaces.Space[Any]] = {stream.name: _space(stream) for stream in self.world.spec.streams}
        self.observation_space = spaces[PIXELS] if len(spaces) == 1 else gymnasium.spaces.Dict(spaces)  # type: ignore[assignment]
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._pixels: NDArray[np.uint8] | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Shown, dict[str, Any]]:
        """A new episode: that of `world.reset([seed])`, or of the task in `options["task"]`."""
        super().reset(seed=seed)
        task = (options or {}).get("task")
        if task is None:
            frame = self.world.reset([int(self.np_random.integers(2**31)) if seed is None else seed])
        elif isinstance(task, WorldTask):
            frame = self.world.begin([task])
        else:
            raise ForethoughtError(f"The reset option 'task' must be a WorldTask, not {type(task).__name__}.")
        return self._seen(frame)

    def step(self, action: NDArray[np.float32]) -> tuple[Shown, float, bool, bool, dict[str, Any]]:
        """One step: observation, reward, terminated (goal reached), truncated (out of steps), info."""
        frame = self.world.step(np.asarray(action, dtype=np.float32)[None])
        reached = self.world.has_task and bool(self.world.reached()[0])
        shown, info = self._seen(frame)
        return shown, float(reached), reached, bool(frame.ended[0]), info

    def render(self) -> NDArray[np.uint8] | None:
        """The present picture, in mode `rgb_array`."""
        return self._pixels if self.render_mode == "rgb_array" else None

    def _seen(self, frame: Frame) -> tuple[Shown, dict[str, Any]]:
        """Observation and info of the only copy."""
        self._pixels = frame.observation[PIXELS][0]
        info: dict[str, Any] = {
            "truth": {name: values[0] for name, values in frame.truth.items()},
            "drives": dict(zip(self.world.spec.drives, frame.drives[0].tolist(), strict=True)),
        }
        if self.world.has_task:
            info["goal"] = _only(self.world.goal_observation())
        return _only(frame.observation), info


def _only(observation: Observation) -> Shown:
    """The first copy's streams; the stream itself where there is one."""
    streams = {name: values[0] for name, values in observation.items()}
    return next(iter(streams.values())) if len(streams) == 1 else streams


def _space(stream: StreamSpec) -> gymnasium.spaces.Box:
    low, high = (0, 255) if stream.kind == "image" else (-1.0, 1.0)
    return gymnasium.spaces.Box(low, high, stream.shape, np.dtype(stream.dtype).type)


def register() -> None:
    """Make `gymnasium.make` know the built-in worlds."""
    for name, world in ((ROOMS, RoomsWorld), (CROSSING, CrossingWorld)):
        gymnasium.register(name, entry_point="forethought.worlds.built_in_env:BuiltInEnv", kwargs={"world": world})
