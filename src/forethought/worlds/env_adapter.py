"""One environment behind the adapter: what it must tell so that `GymnasiumWorld` can make a world of N of them."""

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


class WorldCrashed(ForethoughtError):
    """An environment raised something of its own. One episode is lost: `seed` says which, `copy` where.

    The next `reset` or `begin` builds the copy anew, so a collection can go on.
    """

    def __init__(self, sentence: str, seed: int, copy: int) -> None:
        """The sentence for people, and the numbers for programs."""
        super().__init__(sentence)
        self.seed = seed
        self.copy = copy


class AdapterOptions(Settings):
    """What every adapted world can be asked for.

    size: pixels are size x size. streams: what the agent is shown. max_steps: episode length (None: the world's own).
    block: suggested environment steps per action block. check_frames: refuse blank and never-changing frames.
    """

    size: int = Field(64, ge=8, le=1024)
    streams: tuple[StreamName, ...] = Field(("pixels",), min_length=1)
    max_steps: int | None = Field(None, ge=1)
    block: int = Field(5, ge=1)
    check_frames: bool = True

    def stream_specs(self, proprioception: int) -> tuple[StreamSpec, ...]:
        """The streams asked for, pixels first; `proprioception` numbers in the other one."""
        known = {
            PIXELS: StreamSpec(PIXELS, (self.size, self.size, 3), "uint8"),
            PROPRIOCEPTION: StreamSpec(PROPRIOCEPTION, (proprioception,), "float32"),
        }
        return tuple(spec for name, spec in known.items() if name in self.streams)


@dataclass(frozen=True)
class Sight:
    """What one copy shows at one moment.

    Fields:
        state: float32 [S], true state (S = 0 where the environment exposes none).
        stream: name -> that stream's value; may draw only when called, and then draws this moment, whenever that is.
        drives: float32 [number of drives], what the body feels (empty where it feels nothing).
    """

    state: NDArray[np.float32]
    stream: Callable[[str], NDArray[Any]]
    drives: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class StepResult:
    """How one environment step went.

    Fields: reward: what the environment gave for it; terminated: the environment ended the episode; truncated: it cut the
    episode off (the world's own limit of steps is `GymnasiumWorld`'s business).
    """

    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False


class EnvAdapter(abc.ABC):
    """One environment. Its crashes, seeds, time limit and frame checks are `GymnasiumWorld`'s business."""

    @abc.abstractmethod
    def reset(self, seed: int) -> None:
        """Start an episode that is a function of `seed` alone."""

    @abc.abstractmethod
    def step(self, action: NDArray[np.float32]) -> StepResult:
        """One step with action [size] (one-hot if discrete)."""

    @abc.abstractmethod
    def sight(self) -> Sight:
        """What it shows now."""

    @abc.abstractmethod
    def place(self, state: NDArray[np.float32]) -> None:
        """Put it into a true state, at rest, without ending the episode."""

    @abc.abstractmethod
    def sight_of(self, state: NDArray[np.float32]) -> Sight:
        """What that state would look like; the episode in progress is not disturbed."""

    @abc.abstractmethod
    def near(self, now: Sight, goal: Sight) -> bool:
        """Success test, as `EnvFactory.success` says in words."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release what it holds; may be called twice."""


class EnvFactory(abc.ABC):
    """Makes the copies of one world, and holds what they share (a renderer).

    Attributes:
        spec: the world from outside.
        success: the success test in words.
        check_frames: whether blank and never-changing frames are an error.
        parts: stretches of the state that are a truth of their own, so that probes can look at them apart.
    """

    parts: Mapping[str, slice] = MappingProxyType({})
    spec: WorldSpec
    success: str
    check_frames: bool

    @abc.abstractmethod
    def make(self) -> EnvAdapter:
        """A new copy."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release what the copies share; may be called twice."""


class GlobalRngState:
    """What one copy of an environment has of NumPy's and Python's *global* random streams; see `GlobalRngIsolation`."""

    def __init__(self, seed: int) -> None:
        """Both streams seeded; the global ones stay untouched."""
        self._numpy, seeded = np.random.MT19937(), np.random.RandomState(seed % 2**32)
        state: Any = seeded.get_state(legacy=False)
        self._numpy.state = state
        self._python: Any = random.Random(seed).getstate()  # noqa: S311

    def install(self) -> None:
        """From now on the global streams are this copy's."""
        # The generator itself and not its state, which takes longer to copy than a step of a simple environment. Half of a pair
        # of normal numbers (`np.random.normal` draws two at a time) is lost: of each copy alike, whatever the others do.
        mtrand.set_bit_generator(self._numpy)
        random.setstate(self._python)

    def keep(self) -> None:
        """Remember how far they have come."""
        self._python = random.getstate()


class GlobalRngIsolation:
    """The global random streams, lent to one copy after the other inside `with streams:`; outside they are as they were.

    Some environments (OGBench's mazes among them) draw from the global streams, so that `reset(seed=)` alone does not
    reproduce, and copies in one process disturb one another.
    """

    def __init__(self) -> None:
        """Nobody has them."""
        self._depth = 0
        self._borrower: GlobalRngState | None = None

    def __enter__(self) -> None:
        if self._depth == 0:
            self._outer = mtrand.get_bit_generator(), np.random.get_state(), random.getstate()  # noqa: NPY002
        self._depth += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._take_back()
            generator, numpys, pythons = self._outer
            mtrand.set_bit_generator(generator)
            np.random.set_state(numpys)  # noqa: NPY002
            random.setstate(pythons)

    def lend(self, chance: GlobalRngState) -> None:
        """To this copy, until another one asks for them."""
        if chance is not self._borrower:
            self._take_back()
            chance.install()
            self._borrower = chance

    def _take_back(self) -> None:
        if self._borrower is not None:
            self._borrower.keep()
            self._borrower = None
