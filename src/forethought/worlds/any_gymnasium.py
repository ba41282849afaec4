"""Adapter of any Gymnasium environment: it maps observations to the streams `pixels` and `proprioception`."""

from __future__ import annotations

import contextlib
import difflib
import warnings
from collections.abc import Mapping
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, PROPRIOCEPTION, ActionSpace, WorldSpec
from forethought.worlds.env_adapter import AdapterOptions, EnvAdapter, EnvFactory, Sight, StepResult
from forethought.worlds.frames import resized
from forethought.worlds.parsing import parsed

IMAGE_ENTRIES = ("pixels", "image", "rgb", "observation", "obs")
VECTOR_ENTRIES = ("observation", "state", "proprioception", "agent_pos")
GOAL_ENTRIES = ("desired_goal", "achieved_goal")
LONGEST_VECTOR = 4096
DEFAULT_STEPS = 200
NEEDS_EXTRA = "World {name!r} needs the [worlds] extra: run `make worlds`, or pip install '.[worlds]' in the clone."


class GymnasiumOptions(AdapterOptions):
    """Options of any Gymnasium environment.

    arguments: keyword arguments of the environment itself, such as the name of a camera.
    success_distance: success threshold with vector observations: root mean square distance to the goal, each value divided
        by `state_scale` (empty: by 1).
    success_pixels: success threshold without vector observations: mean absolute difference of the pixels (of 255).
    """

    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    success_distance: float = Field(0.25, gt=0)
    state_scale: tuple[float, ...] = ()
    success_pixels: float = Field(1.0, gt=0)


def make_environment(name: str, /, **arguments: Any) -> gymnasium.Env[Any, Any]:
    """`gymnasium.make` without Gymnasium's time limit and checker; Forethought has its own.

    Raises:
        ForethoughtError: unknown id, missing package, or the environment does not start.
    """
    try:
        with warnings.catch_warnings():
            # Third-party packages warn at import about their own dependencies; the user cannot fix these.
            warnings.simplefilter("ignore")
            return gymnasium.make(name, max_episode_steps=-1, disable_env_checker=True, **arguments)
    except ImportError as error:
        raise ForethoughtError(
            f"World {name!r} needs a package that is not installed ({error.name or error}): pip install it."
        ) from error
    except gymnasium.error.DependencyNotInstalled as error:
        raise ForethoughtError(f"World {name!r} needs a package that is not installed: {error}.") from error
    except gymnasium.error.UnregisteredEnv as error:
        near = difflib.get_close_matches(name, gymnasium.registry, n=1)
        hint = f" did you mean '{near[0]}'?" if near else ""
        raise ForethoughtError(
            f"Unknown world {name!r}: it is not in Gymnasium's registry; for a package that registers its environments at "
            f"import, write 'package:Env-v0';{hint or ' `forethought worlds` lists the known names.'}"
        ) from error
    except Exception as error:
        raise ForethoughtError(f"World {name!r} does not start: {type(error).__name__}: {error}.") from error


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


def is_image(space: spaces.Space[Any]) -> bool:
    """Whether a space holds images: uint8 [h, w], [h, w, 1], [h, w, 3] or [h, w, 4], at least 8 x 8."""
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8 or min((*space.shape, 0)[:2]) < 8:
        return False
    return len(space.shape) == 2 or (len(space.shape) == 3 and space.shape[2] in (1, 3, 4))


def is_vector(space: spaces.Space[Any]) -> bool:
    """Whether a space can be flattened to a vector of fixed size."""
    kinds = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    return isinstance(space, kinds) and not is_image(space) and spaces.flatdim(space) <= LONGEST_VECTOR


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a greyscale, one-channel or RGBA image to RGB [h, w, 3]."""
    if image.ndim == 2:
        image = image[:, :, None]
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else np.ascontiguousarray(image[:, :, :3])


class ObservationReader:
    """Extracts an image and a vector from an environment's observations.

    Image: the observation itself if it is an image; in a Dict, the first image among `IMAGE_ENTRIES`, else the first image.
    Vector: the observation itself, flattened; in a Dict, the first existing entry of `VECTOR_ENTRIES`, else all entries of
    fixed size in key order without goals. Text and variable-length entries are ignored.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        """Reads observations of `space`."""
        # A plain observation is treated as a Dict with one entry of empty name.
        self._plain = not isinstance(space, spaces.Dict)
        self._spaces = dict(space.spaces) if isinstance(space, spaces.Dict) else {"": space}
        images = [key for key, entry in self._spaces.items() if is_image(entry)]
        named = [key for key in IMAGE_ENTRIES if key in images]
        self._image = (named + images)[0] if images else None
        vectors = [key for key, entry in self._spaces.items() if is_vector(entry) and key not in GOAL_ENTRIES]
        self._vectors = [key for key in VECTOR_ENTRIES if key in vectors][:1] or vectors
        self.size = sum(spaces.flatdim(self._spaces[key]) for key in self._vectors)

    @property
    def has_image(self) -> bool:
        """Whether observations contain an image."""
        return self._image is not None

    def pixels(self, observation: Any) -> NDArray[np.uint8]:
        """The image [h, w, 3]."""
        assert self._image is not None
        return as_rgb(observation if self._plain else observation[self._image])

    def numbers(self, observation: Any) -> NDArray[np.float32]:
        """The vector [size]."""
        entries = {"": observation} if self._plain else observation
        parts = [np.asarray(spaces.flatten(self._spaces[key], entries[key])).ravel() for key in self._vectors]
        return np.concatenate([np.zeros(0), *parts]).astype(np.float32)


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
        near_state, near_pixels = self.options.success_distance, self.options.success_pixels
        self.success = (
            f"root mean square distance of the state to the goal's, in units of state_scale, <= {near_state}"
            if reader.size
            else f"mean absolute difference of the pixels to the goal's <= {near_pixels} of 255"
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
