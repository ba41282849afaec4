"""Adapter of any Gymnasium environment: it maps observations to the streams `pixels` and `proprioception`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, PROPRIOCEPTION, WorldSpec
from forethought.worlds.any_gymnasium.actions import action_space_of
from forethought.worlds.any_gymnasium.making import make_environment
from forethought.worlds.any_gymnasium.observations import ObservationReader, as_rgb
from forethought.worlds.any_gymnasium.options import GymnasiumOptions
from forethought.worlds.env_adapter import EnvAdapter, EnvFactory, Sight, StepResult
from forethought.worlds.frames import resized
from forethought.worlds.parsing import parsed

DEFAULT_STEPS = 200
SHOWN_SCALES = 6
UNSET_DISTANCE, UNSET_PIXELS = 0.25, 1.0
"""Thresholds of a world that no tasks from episodes set."""


class GymnasiumCopy(EnvAdapter):
    """One Gymnasium environment. It can neither be put into a given state nor render one."""

    def __init__(self, environment: gymnasium.Env[Any, Any], reader: ObservationReader, maker: AnyGymnasiumMaker) -> None:
        """Owns the environment and closes it."""
        self._environment = environment
        self._reader = reader
        self._maker = maker
        self._streams: dict[str, NDArray[Any]] = {}

    def reset(self, seed: int) -> None:
        """Seeds the environment and its action space."""
        self._environment.action_space.seed(seed)
        observation, _ = self._environment.reset(seed=seed)
        self._read(observation)

    def step(self, action: NDArray[np.float32]) -> StepResult:
        """Converts the action: one-hot to the index of a Discrete space, a vector to the shape and dtype of a Box."""
        space = self._environment.action_space
        native: Any
        if isinstance(space, spaces.Discrete):
            native = space.start + int(action.argmax())
        else:
            native = action.reshape(cast(spaces.Box, space).shape).astype(space.dtype)
        observation, reward, terminated, truncated, _ = self._environment.step(native)
        self._read(observation)
        return StepResult(float(reward), bool(terminated), bool(truncated))

    def sight(self) -> Sight:
        """Snapshot of the last observation: image and vector."""
        return Sight(self._streams[PROPRIOCEPTION], self._streams.__getitem__)

    def place(self, state: NDArray[np.float32]) -> None:
        """Not possible in general.

        Raises:
            ForethoughtError: always.
        """
        raise ForethoughtError(
            f"World {self._maker.spec.name!r} cannot be put into a given state: use tasks without a start (start null), which "
            "begin at the state after reset."
        )

    def sight_of(self, state: NDArray[np.float32]) -> Sight:
        """Snapshot of a goal with its state only; its streams come from `GymnasiumWorld.set_goal_observation`."""

        def unknown(name: str) -> NDArray[Any]:
            raise ForethoughtError(
                f"World {self._maker.spec.name!r} cannot render its goal: pass the goal observations to "
                "set_goal_observation after begin (goals.goal_observations reads them from the store)."
            )

        return Sight(state, unknown)

    def near(self, now: Sight, goal: Sight) -> bool:
        """Success: the distance is within the threshold."""
        return self.distance(now, goal) <= self._maker.threshold

    def distance(self, now: Sight, goal: Sight) -> float:
        """Scaled distance of the vectors, or the difference of the pixels if there is no vector."""
        if self._reader.size:
            scale = np.array(self._maker.options.state_scale or 1.0, np.float32)
            return float(np.sqrt(np.mean(((now.state - goal.state) / scale) ** 2)))
        difference = now.stream(PIXELS).astype(np.float32) - goal.stream(PIXELS)
        return float(np.abs(difference).mean())

    def close(self) -> None:
        """Closes the environment."""
        self._environment.close()

    def _read(self, observation: Any) -> None:
        self._streams = {PROPRIOCEPTION: self._reader.numbers(observation)}
        if PIXELS in self._maker.options.streams:
            has_image = self._reader.has_image
            image = self._reader.pixels(observation) if has_image else self._rendered()
            self._streams[PIXELS] = resized(image, self._maker.options.size)

    def _rendered(self) -> NDArray[np.uint8]:
        image: Any = self._environment.render()
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise ForethoughtError(
                f"World {self._maker.spec.name!r}: render() returned {type(image).__name__} instead of a uint8 image "
                "[h, w, 3]; use streams=['proprioception'], or choose another render mode in `arguments`."
            )
        return as_rgb(image)


def _in_units(scale: tuple[float, ...] | None) -> str:
    """The scale in words; a long one is not listed."""
    if not scale or set(scale) == {1.0}:
        return "in its own units"
    values = ", ".join(f"{value:.2g}" for value in scale[:SHOWN_SCALES])
    return f"each value divided by its scale ({values}{', ...' if len(scale) > SHOWN_SCALES else ''})"


class AnyGymnasiumMaker(EnvFactory):
    """Makes copies of any Gymnasium id."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Makes one environment to read its spaces, and keeps it for the first copy.

        Raises:
            ForethoughtError: unknown name or option, unsupported action space, or no supported observation.
        """
        self.options = parsed(GymnasiumOptions, options, name)
        self.check_frames = self.options.check_frames
        self._name = name
        self._arguments: dict[str, Any] = dict(self.options.arguments)
        self._spare: list[gymnasium.Env[Any, Any]] = [make_environment(name, **self._arguments)]
        try:
            self._read_spaces()
        except Exception:
            self.close()
            raise

    def _read_spaces(self) -> None:
        """Fills in `spec` and `success` from the first environment."""
        name, (first,) = self._name, self._spare
        reader = ObservationReader(first.observation_space)
        if PIXELS in self.options.streams and not reader.has_image and "render_mode" not in self._arguments:
            self.close()
            self._arguments["render_mode"] = "rgb_array"
            first = make_environment(name, **self._arguments)
            self._spare = [first]
        if PROPRIOCEPTION in self.options.streams and not reader.size:
            raise ForethoughtError(f"World {name!r} has no vector observation ({first.observation_space}): use pixels.")
        if self.options.state_scale and len(self.options.state_scale) != reader.size:
            raise ForethoughtError(f"World {name!r}: state_scale needs {reader.size} values, one per value of the state.")
        registered = first.spec.id if first.spec else name
        own = gymnasium.registry[registered].max_episode_steps if registered in gymnasium.registry else None
        self.spec = WorldSpec(
            name=name,
            options=self.options.model_dump(mode="json"),
            streams=self.options.stream_specs(reader.size),
            action=action_space_of(first.action_space, name),
            max_steps=self.options.max_steps or own or DEFAULT_STEPS,
            block=self.options.block,
            truth={"state": reader.size} if reader.size else {},
        )
        chosen = self.options.success_distance if reader.size else self.options.success_pixels
        self.success_options = ("success_distance", "state_scale") if reader.size else ("success_pixels",)
        self.success_is_set = chosen is not None
        self.threshold = (UNSET_DISTANCE if reader.size else UNSET_PIXELS) if chosen is None else chosen
        units = _in_units(self.options.state_scale)
        self.success = (
            f"root mean square distance of the state to the goal's, {units}, <= {self.threshold:g}"
            if reader.size
            else f"mean absolute difference of the pixels to the goal's <= {self.threshold:g} of 255"
        )

    def make(self) -> EnvAdapter:
        """A new environment."""
        environment = self._spare.pop() if self._spare else make_environment(self._name, **self._arguments)
        return GymnasiumCopy(environment, ObservationReader(environment.observation_space), self)

    def close(self) -> None:
        """Closes the first environment if no copy uses it."""
        while self._spare:
            # An exception of close() must not hide the exception that led here.
            with contextlib.suppress(Exception):
                self._spare.pop().close()
