"""Interface of one adapted environment (`EnvAdapter`) and of its factory; `GymnasiumWorld` runs N of them as one world."""

from __future__ import annotations

import abc
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Literal

import numpy as np
from numpy.random import mtrand
from numpy.typing import NDArray
from pydantic import Field

from forethought.config import Settings
from forethought.errors import ForethoughtError
from forethought.types import PIXELS, PROPRIOCEPTION, StreamSpec, WorldSpec

StreamName = Literal["pixels", "proprioception"]

ACHIEVED, DESIRED, SUCCESS = "achieved_goal", "desired_goal", "success"
"""Truths of an environment with goals of its own: where it is, where it should be, and 1 where that is reached."""


class WorldCrashed(ForethoughtError):
    """An environment raised an exception. One episode is lost: the one with `seed` in copy number `copy`.

    The next `reset` or `begin` builds a new copy, so a collection can continue.
    """

    def __init__(self, sentence: str, seed: int, copy: int) -> None:
        """`sentence`: the message. seed: of the lost episode. copy: index of the environment."""
        super().__init__(sentence)
        self.seed = seed
        self.copy = copy


class EnvOptions(Settings):
    """Options of every adapted environment.

    size: pixels are size x size. max_steps: episode length (None: the environment's own). block: suggested environment steps
    per action block. check_frames: reject blank and constant frames.
    """

    size: int = Field(64, ge=8, le=1024)
    max_steps: int | None = Field(None, ge=1)
    block: int = Field(5, ge=1)
    check_frames: bool = True


class AdapterOptions(EnvOptions):
    """Options of an environment that is adapted by its own code: `streams` names the agent's observation streams."""

    streams: tuple[StreamName, ...] = Field(("pixels",), min_length=1)

    def stream_specs(self, proprioception: int) -> tuple[StreamSpec, ...]:
        """Specs of the requested streams, pixels first; `proprioception`: size of the proprioception vector."""
        specs = {
            PIXELS: StreamSpec(PIXELS, (self.size, self.size, 3), "uint8"),
            PROPRIOCEPTION: StreamSpec(PROPRIOCEPTION, (proprioception,), "float32"),
        }
        return tuple(spec for name, spec in specs.items() if name in self.streams)


@dataclass(frozen=True)
class Sight:
    """Snapshot of one environment: true state, observation and drives at one time step.

    Fields:
        state: float32 [S], true state; S = 0 if the environment does not expose it.
        stream: name -> value of that stream; it may render lazily, but always the time step of the snapshot. An environment
            that renders its present state only refuses, with a `ForethoughtError`, what is first read after the next step.
        drives: float32 [number of drives], intrinsic costs of this time step; empty without drives.
    """

    state: NDArray[np.float32]
    stream: Callable[[str], NDArray[Any]]
    drives: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class StepResult:
    """Result of one environment step.

    Fields: reward: the environment's reward. terminated: the environment ended the episode. truncated: the environment cut the
    episode off; `GymnasiumWorld` applies the limit of steps itself.
    """

    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False


class EnvAdapter(abc.ABC):
    """One environment. `GymnasiumWorld` handles its crashes, seeds, time limit and frame checks."""

    @abc.abstractmethod
    def reset(self, seed: int) -> None:
        """Start an episode that is a function of `seed` alone."""

    @abc.abstractmethod
    def step(self, action: NDArray[np.float32]) -> StepResult:
        """One step with action [size] (one-hot if discrete)."""

    @abc.abstractmethod
    def sight(self) -> Sight:
        """Snapshot of the current time step."""

    @abc.abstractmethod
    def place(self, state: NDArray[np.float32]) -> None:
        """Put the environment into a true state, at rest, without ending the episode."""

    @abc.abstractmethod
    def sight_of(self, state: NDArray[np.float32]) -> Sight:
        """Snapshot of a given true state; the running episode does not change."""

    @abc.abstractmethod
    def near(self, now: Sight, goal: Sight) -> bool:
        """Success test; `EnvFactory.success` describes it in words."""

    def observed(self) -> Any:
        """What the environment itself observes now, for policies of one's own; None: what the streams show is all there is."""
        return None

    def action_of(self, native: Any) -> NDArray[np.float32] | None:
        """The action [size] for one of the environment's own action space; None where `WorldSpec.action` is that space."""
        return None

    def fulfils(self, achieved: NDArray[np.float32], desired: NDArray[np.float32]) -> bool:
        """Whether an achieved goal counts as a desired one; only where `EnvFactory.own_goals`."""
        raise NotImplementedError

    def distance(self, now: Sight, goal: Sight) -> float:
        """What `near` compares with its threshold; 0 or 1 for a test without one."""
        return 0.0 if self.near(now, goal) else 1.0

    @abc.abstractmethod
    def close(self) -> None:
        """Release all resources; may be called twice."""


class EnvFactory(abc.ABC):
    """Makes the copies of one world, and holds what they share (a renderer).

    Attributes:
        spec: the world from outside.
        success: the success test in words.
        check_frames: whether blank and never-changing frames are an error.
        parts: stretches of the state that are a truth of their own, so that probes can look at them apart.
        own_goals: whether an episode begins with a goal of the environment's own, the truth `desired_goal`, whose success
            the environment tests itself.
        observed_images: streams whose frames the environment observes; the others are rendered.
        left_out: what the environment observes and the agent does not, one phrase each, with how to choose it.
        success_options: names of the options of a success test by distance, the threshold first; empty for another test.
        success_is_set: whether these options are given; if not, tasks from episodes derive them (`success`).
    """

    success_options: tuple[str, ...] = ()
    success_is_set: bool = True

    parts: Mapping[str, slice] = MappingProxyType({})
    own_goals: bool = False
    observed_images: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    spec: WorldSpec
    success: str
    check_frames: bool

    @abc.abstractmethod
    def make(self) -> EnvAdapter:
        """A new copy."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release resources that the copies share; may be called twice."""


class GlobalRngState:
    """One copy's own state of NumPy's and Python's *global* random generators; see `GlobalRngIsolation`."""

    def __init__(self, seed: int) -> None:
        """Seeds both states; the global generators do not change."""
        self._numpy = np.random.MT19937()
        # Seeds the bit generator in place, as `np.random.seed` does; a new one takes longer than an episode of some worlds.
        self._seeder = np.random.RandomState(self._numpy)
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """Seed both states anew; see `GlobalRngIsolation.restart` for one that may be installed."""
        self._seeder.seed(seed % 2**32)
        self._python: Any = random.Random(seed).getstate()  # noqa: S311

    def install(self) -> None:
        """Make the global generators continue from this copy's state."""
        # Install the bit generator, not its state: copying the state takes longer than a step of a simple environment. This
        # drops the cached second value of `np.random.normal`, which samples two at a time; the drop is the same for each copy,
        # whatever the other copies do.
        mtrand.set_bit_generator(self._numpy)
        random.setstate(self._python)

    def keep(self) -> None:
        """Save the current state of Python's generator; NumPy's bit generator keeps its own."""
        self._python = random.getstate()


class GlobalRngIsolation:
    """Gives each copy its own global random generators inside `with isolation:`; restores the outer state at the end.

    Some environments, such as OGBench's mazes, sample from the global generators: `reset(seed=)` alone does not reproduce an
    episode, and copies in one process disturb each other. To save and restore the outer state takes longer than a step of a
    simple environment, so a loop of many steps enters once, around all of them.
    """

    def __init__(self) -> None:
        """No copy's state is installed."""
        self._depth = 0
        self._installed: GlobalRngState | None = None

    def __enter__(self) -> None:
        if self._depth == 0:
            numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002
            self._outer = mtrand.get_bit_generator(), numpy_state, random.getstate()
        self._depth += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._save_installed()
            generator, numpy_state, python_state = self._outer
            mtrand.set_bit_generator(generator)
            if numpy_state["has_gauss"]:
                # The outer bit generator is as it was, but the cached second value of `np.random.normal` is dropped.
                np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)

    def lend(self, chance: GlobalRngState) -> None:
        """Install the state of one copy, until another copy's state is installed."""
        if chance is not self._installed:
            self._save_installed()
            chance.install()
            self._installed = chance

    def restart(self, chance: GlobalRngState, seed: int) -> None:
        """Seed one copy's state anew, whether or not it is installed."""
        if chance is self._installed:
            self._installed = None
        chance.restart(seed)

    def _save_installed(self) -> None:
        if self._installed is not None:
            self._installed.keep()
            self._installed = None
