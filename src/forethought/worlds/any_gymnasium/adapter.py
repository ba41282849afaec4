"""Adapter of any Gymnasium environment: its observations as the streams that the option `streams` names."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import WorldSpec
from forethought.worlds.any_gymnasium import calls
from forethought.worlds.any_gymnasium.actions import ActionConverter
from forethought.worlds.any_gymnasium.distance_test import UNSET_DISTANCE, DistanceTest
from forethought.worlds.any_gymnasium.drives import DriveReader
from forethought.worlds.any_gymnasium.making import make_environment, registered_id
from forethought.worlds.any_gymnasium.observations import ObservationReader, rendered_image, say_what_is_left_out
from forethought.worlds.any_gymnasium.options import GymnasiumOptions
from forethought.worlds.any_gymnasium.own_goals import OwnGoals
from forethought.worlds.any_gymnasium.stream_view import StreamView
from forethought.worlds.env_adapter import ACHIEVED, DESIRED, SUCCESS, EnvAdapter, EnvFactory, Sight, StepResult
from forethought.worlds.notices import warn_once
from forethought.worlds.parsing import parsed

DEFAULT_STEPS = 200


class GymnasiumCopy(EnvAdapter):
    """One Gymnasium environment. It can neither be put into a given state nor render one."""

    def __init__(self, environment: gymnasium.Env[Any, Any], maker: AnyGymnasiumMaker) -> None:
        """Owns the environment and closes it."""
        self._environment = environment
        self._maker = maker
        self._state, self._observation = np.zeros(0, np.float32), None
        self._view, self._drives = StreamView((), {}, self._rendered), np.zeros(0, np.float32)

    def reset(self, seed: int) -> None:
        """Seeds the environment and its action space, and makes all streams: the first row of an episode is always read.

        Raises:
            ForethoughtError: reset() does not return (observation, info), the observation is not what its space declares, or
                render() draws no image.
        """
        self._view.close(self._maker.spec.name)
        self._environment.action_space.seed(seed)
        if self._observation is not None:
            self._maker.drives.say_what_is_missing()
        self._read(*calls.reset(self._environment, self._maker.spec.name, seed, self._maker.options.reset_options))
        self._drives = np.zeros(len(self._maker.drives.names), np.float32)
        for stream in self._maker.spec.streams:
            self._view(stream.name)

    def step(self, action: NDArray[np.float32]) -> StepResult:
        """Converts the action to the environment's own space; see `ActionConverter`.

        Raises:
            ForethoughtError: step() does not return five values, or the observation is not what its space declares.
        """
        native = self._maker.actions.native(action)
        self._view.close(self._maker.spec.name)
        observation, reward, terminated, truncated, info = calls.step(self._environment, self._maker.spec.name, native)
        self._read(observation, info)
        self._drives = self._maker.drives.read(observation, info)
        return StepResult(float(reward), bool(terminated), bool(truncated))

    def sight(self) -> Sight:
        """Snapshot of the last observation; what must be rendered is rendered when it is read, before the next step."""
        return Sight(self._state, self._view, self._drives)

    def observed(self) -> Any:
        """The observation as the environment returned it."""
        return self._observation

    def action_of(self, native: Any) -> NDArray[np.float32]:
        """See `ActionConverter.agent`."""
        return self._maker.actions.agent(native)

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
        """Snapshot of a goal: its state, and its `achieved_goal` where the environment's own goals are used.

        Other streams come from `GymnasiumWorld.set_goal_observation`.

        Raises:
            ForethoughtError: the environment asks for another goal of its own at this seed.
        """
        goals, name = self._maker.goals, self._maker.spec.name
        if goals is not None and not np.allclose(desired := self._state[self._maker.parts[DESIRED]], state, 1e-4, 1e-4):
            raise ForethoughtError(
                f"World {name!r} asks for the goal {desired.tolist()} at the same seed at which the task's goal was "
                f"{state.tolist()}: draw goals from the seed of reset(), or set the option goals='episodes'."
            )

        def stream(wanted: str) -> NDArray[Any]:
            if goals is not None and wanted == ACHIEVED:
                return state.copy()
            raise ForethoughtError(
                f"World {name!r} cannot render its goal: pass the goal observations to "
                "set_goal_observation after begin (goals.goal_observations reads them from the store)."
            )

        return Sight(state, stream)

    def near(self, now: Sight, goal: Sight) -> bool:
        """The environment's own success if its goals are used, else a small distance of the numbers, pixels or texts."""
        maker = self._maker
        if maker.goals is not None:
            achieved, desired, success = (now.state[maker.parts[name]] for name in (ACHIEVED, DESIRED, SUCCESS))
            if np.allclose(desired, goal.state, 1e-4, 1e-4):
                return bool(success[0])
            return self.fulfils(achieved, goal.state)
        return self.distance(now, goal) <= maker.likeness.threshold

    def distance(self, now: Sight, goal: Sight) -> float:
        """Distance of a test by distance; 0 or 1 for the environment's own success."""
        if self._maker.goals is not None:
            return super().distance(now, goal)
        return self._maker.likeness.distance(now, goal)

    def fulfils(self, achieved: NDArray[np.float32], desired: NDArray[np.float32]) -> bool:
        """See `EnvAdapter`."""
        assert self._maker.goals is not None
        return self._maker.goals.reached(self._environment, achieved, desired)

    def close(self) -> None:
        """Closes the environment."""
        self._environment.close()

    def _read(self, observation: Any, info: Mapping[str, Any]) -> None:
        reader, goals, self._observation = self._maker.reader, self._maker.goals, observation
        values = reader.values(observation)
        self._state = reader.numbers(values)
        if goals is not None:
            self._state = np.concatenate([self._state, goals.read(self._environment, values, info)])
        self._view = StreamView(reader.streams, reader.kept(values), self._rendered)

    def _rendered(self) -> NDArray[np.uint8]:
        name = self._maker.spec.name
        try:
            image: Any = self._environment.render()
        except gymnasium.error.DependencyNotInstalled as error:
            raise ForethoughtError(
                f"World {name!r} needs a package for its render() that is not installed: {error}."
            ) from error
        return rendered_image(image, name)


class AnyGymnasiumMaker(EnvFactory):
    """Makes copies of any Gymnasium id.

    Attributes:
        options: as given, with defaults.
        reader: of the observations.
        drives: of its steps.
        goals: the environment's own, if it has them and the option `goals` does not say otherwise.
        likeness: the success test of an environment without goals of its own.
    """

    reader: ObservationReader
    goals: OwnGoals | None = None

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Makes one environment to read its spaces, and keeps it for the first copy. Says once what the agent won't observe.

        Raises:
            ForethoughtError: unknown name or option, unsupported action space, or no supported observation.
        """
        self.options = parsed(GymnasiumOptions, options, name)
        self.check_frames = self.options.check_frames
        self._name = name
        self._arguments: dict[str, Any] = dict(self.options.arguments)
        self._spare: list[gymnasium.Env[Any, Any]] = [make_environment(name, **self._arguments)]
        try:
            self._read_observations()
            self._describe()
        except Exception:
            self.close()
            raise
        say_what_is_left_out(self.reader, name)
        for sentence in self.actions.notes:
            warn_once(self.spec.name, sentence)

    def _read_observations(self) -> None:
        """Fills in `reader` and `goals`; makes the first environment anew if it must render."""
        name, space = self._name, self._spare[0].observation_space
        if self.options.goals == "own":
            self.goals = OwnGoals.of(space, name, self.options.success_distance or UNSET_DISTANCE)
        self.own_goals = self.goals is not None
        self.reader = ObservationReader(space, self.options, name, self.own_goals)
        self.left_out = self.reader.left_out()
        self.observed_images = tuple(stream.spec.name for stream in self.reader.streams if stream.entries)
        if self.reader.renders and "render_mode" not in self._arguments:
            self.close()
            self._arguments["render_mode"] = "rgb_array"
            self._spare = [self._rendering_environment()]
        if isinstance(space, spaces.Dict) and DESIRED in space.spaces and not self.own_goals:
            warn_once(name, "its own goals (desired_goal) are not used; goals come from held-out episodes")

    def _rendering_environment(self) -> gymnasium.Env[Any, Any]:
        try:
            return make_environment(self._name, **self._arguments)
        except ForethoughtError as error:
            raise ForethoughtError(
                f"World {self._name!r} observes no image, and cannot be made with render_mode='rgb_array' to draw one "
                f"({error.__cause__ or error}): use streams=['proprioception'], or give it a render_mode."
            ) from error

    def _describe(self) -> None:
        """Fills in `spec`, `parts` and `success`."""
        (first,), reader, name = self._spare, self.reader, self._name
        self.drives = DriveReader(self.options.drives, name)
        if self.options.state_scale and len(self.options.state_scale) != reader.size:
            raise ForethoughtError(f"World {name!r}: state_scale needs {reader.size} values, one per value of the state.")
        self.actions = ActionConverter(first.action_space, name, self.options.action_limit)
        truth = {"state": reader.size} if reader.size else {}
        if self.goals is not None:
            truth |= {ACHIEVED: self.goals.size, DESIRED: self.goals.size, SUCCESS: 1}
            ends = np.cumsum([reader.size, self.goals.size, self.goals.size, 1]).tolist()
            names = ("state", ACHIEVED, DESIRED, SUCCESS)
            self.parts = {part: slice(*span) for part, span in zip(names, zip([0, *ends], ends, strict=False), strict=True)}
        streams = tuple(stream.spec for stream in reader.streams)
        goal_streams = (ACHIEVED,) if self.own_goals and ACHIEVED in self.options.streams else ()
        self.spec = WorldSpec(
            name=_versioned(name),
            options=self.options.model_dump(mode="json"),
            streams=streams,
            action=self.actions.space,
            max_steps=self.options.max_steps or _own_limit(first, name) or DEFAULT_STEPS,
            block=self.options.block,
            truth=truth,
            drives=self.drives.names,
            goals=goal_streams,
        )
        self._set_success()

    def _set_success(self) -> None:
        """Fills in the success test."""
        self.likeness = DistanceTest(self.options, self.reader)
        if self.goals is None:
            self.success_options, self.success_is_set = self.likeness.options, self.likeness.is_set
            self.success = self.likeness.in_words()
            return
        self.success = (
            "the environment's own success at its own goal (info['is_success'], else compute_reward, else a root mean "
            f"square distance of achieved_goal to desired_goal <= {self.options.success_distance or UNSET_DISTANCE:g})"
        )

    def make(self) -> EnvAdapter:
        """A new environment."""
        environment = self._spare.pop() if self._spare else make_environment(self._name, **self._arguments)
        return GymnasiumCopy(environment, self)

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
