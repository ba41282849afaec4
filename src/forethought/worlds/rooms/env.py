"""One copy of the rooms as a Gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, Frame, WorldTask
from forethought.worlds.rooms.world import NAME, RoomsWorld


class RoomsEnv(gymnasium.Env[NDArray[np.uint8], NDArray[np.float32]]):
    """forethought/Rooms-v0 for `gymnasium.make`; options as in `RoomsOptions`.

    Observation: uint8 [64, 64, 3]. Action: float32 [2] in [-1, 1]. Reward: 1 in the step that reaches the goal, which
    ends the episode; without a task (`reset(options={"task": WorldTask(...)})`) there is none, and episodes are
    truncated at `max_steps`. Info: `truth` and `drives` as in `Frame`, and `goal`, the goal's picture, where there is a
    task.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  (Gymnasium declares it so)

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        """One copy."""
        self.render_mode = render_mode
        self.world = RoomsWorld(1, **options)
        self.observation_space = gymnasium.spaces.Box(0, 255, self.world.spec.streams[0].shape, np.uint8)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._pixels: NDArray[np.uint8] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """A new episode: that of `RoomsWorld.reset([seed])`, or of the task in `options["task"]`."""
        super().reset(seed=seed)
        task = (options or {}).get("task")
        if task is None:
            frame = self.world.reset([int(self.np_random.integers(2**31)) if seed is None else seed])
        elif isinstance(task, WorldTask):
            frame = self.world.begin([task])
        else:
            raise ForethoughtError(f"The reset option 'task' must be a WorldTask, not {type(task).__name__}.")
        return self._seen(frame)

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """One step: observation, reward, terminated (goal reached), truncated (out of steps), info."""
        frame = self.world.step(np.asarray(action, dtype=np.float32)[None])
        reached = self.world.has_task and bool(self.world.reached()[0])
        pixels, info = self._seen(frame)
        return pixels, float(reached), reached, bool(frame.ended[0]), info

    def render(self) -> NDArray[np.uint8] | None:
        """The present picture, in mode `rgb_array`."""
        return self._pixels if self.render_mode == "rgb_array" else None

    def _seen(self, frame: Frame) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Observation and info of the only copy."""
        self._pixels = frame.observation[PIXELS][0]
        info: dict[str, Any] = {
            "truth": {name: values[0] for name, values in frame.truth.items()},
            "drives": dict(zip(self.world.spec.drives, frame.drives[0].tolist(), strict=True)),
        }
        if self.world.has_task:
            info["goal"] = self.world.goal_observation()[PIXELS][0]
        return self._pixels, info


def register() -> None:
    """Make `gymnasium.make("forethought/Rooms-v0")` work."""
    gymnasium.register(NAME, entry_point=RoomsEnv)
