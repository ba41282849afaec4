"""Adapter of any Gymnasium environment: it maps observations to the streams `pixels` and `proprioception`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, PROPRIOCEPTION, WorldSpec
from forethought.worlds.any_gymnasium import calls
from forethought.worlds.any_gymnasium.actions import ActionConverter
from forethought.worlds.any_gymnasium.making import make_environment, registered_id
from forethought.worlds.any_gymnasium.observations import ObservationReader, as_rgb
from forethought.worlds.any_gymnasium.options import GymnasiumOptions
from forethought.worlds.env_adapter import EnvAdapter, EnvFactory, Sight, StepResult
from forethought.worlds.frames import resized
from forethought.worlds.notices import warn_once
from forethought.worlds.parsing import parsed

DEFAULT_STEPS = 200


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
        came = calls.reset(self._environment, self._maker.spec.name, seed, self._maker.options.reset_options)
        self._read(came[0])

    def step(self, action: NDArray[np.float32]) -> StepResult:
        """Converts the action to the environment's own space; see `ActionConverter`."""
        native = self._maker.actions.native(action)
        observation, reward, terminated, truncated, _ = calls.step(self._environment, self._maker.spec.name, native)
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
        """Success by the scaled distance of the vectors, or by the difference of the pixels if there is no vector."""
        options = self._maker.options
        if self._reader.size:
            scale = np.array(options.state_scale or 1.0, np.float32)
            return bool(np.sqrt(np.mean(((now.state - goal.state) / scale) ** 2)) <= options.success_distance)
        difference = now.stream(PIXELS).astype(np.float32) - goal.stream(PIXELS)
        return bool(np.abs(difference).mean() <= options.success_pixels)

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
        self.actions = ActionConverter(first.action_space, name, self.options.action_limit)
        self.spec = WorldSpec(
            name=_versioned(name),
            options=self.options.model_dump(mode="json"),
            streams=self.options.stream_specs(reader.size),
            action=self.actions.space,
            max_steps=self.options.max_steps or _own_limit(first, name) or DEFAULT_STEPS,
            block=self.options.block,
            truth={"state": reader.size} if reader.size else {},
        )
        near_state, near_pixels = self.options.success_distance, self.options.success_pixels
        self.success = (
            f"root mean square distance of the state to the goal's, in units of state_scale, <= {near_state}"
            if reader.size
            else f"mean absolute difference of the pixels to the goal's <= {near_pixels} of 255"
        )

        for sentence in self.actions.notes:
            warn_once(name, sentence)

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


def _versioned(name: str) -> str:
    """The name with the version that Gymnasium takes if it has none: a store must mean the same world later."""
    module, colon, plain = name.rpartition(":")
    return f"{module}{colon}{registered_id(plain) or plain}"


def _own_limit(environment: gymnasium.Env[Any, Any], name: str) -> int | None:
    """The time limit in steps with which the environment is registered, if any."""
    registered = environment.spec.id if environment.spec else registered_id(name)
    known = gymnasium.registry.get(registered or "")
    return known.max_episode_steps if known else environment.spec.max_episode_steps if environment.spec else None
