"""Contract of worlds: N copies stepped together, with goals and a success test. Built-in and adapted alike."""

from __future__ import annotations

import abc
import logging
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from forethought.types import Frame, Observation, WorldSpec, WorldTask

log = logging.getLogger(__name__)


class World(abc.ABC):
    """N copies of one environment. Copy i depends on its own seed and its own actions alone.

    Attributes:
        spec: the world from outside.
        num: N, how many copies.
    """

    spec: WorldSpec
    num: int

    @abc.abstractmethod
    def reset(self, seeds: Sequence[int]) -> Frame:
        """Start a new episode in every copy; `seeds` has N entries, and copy i is a function of `seeds[i]` alone."""

    @abc.abstractmethod
    def step(self, actions: NDArray[np.float32]) -> Frame:
        """Advance one environment step; actions [N, size] in environment units (one-hot if discrete)."""

    @abc.abstractmethod
    def begin(self, tasks: Sequence[WorldTask]) -> Frame:
        """Start task i in copy i: reset with its seed, put the agent at its start, remember its goal."""

    @abc.abstractmethod
    def goal_observation(self) -> Observation:
        """Goal observations of the tasks in progress, streams -> [N, ...]."""

    @abc.abstractmethod
    def reached(self) -> NDArray[np.bool_]:
        """Success test of the tasks in progress at this moment, bool [N]."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release renderers and processes; may be called twice."""


@runtime_checkable
class ScriptedPolicy(Protocol):
    """A policy that may read the true state, for collection, floors and ceilings; never part of the agent."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes; copy i's choices are a function of `seeds[i]` and the world alone."""

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, size] in environment units for the present frame."""


def close_world(world: World) -> None:
    """Close a world that may be broken. What it raises is logged: it must not end what goes on without this world."""
    try:
        world.close()
    except Exception as error:
        log.warning("World %r failed to close: %s: %s", world.spec.name, type(error).__name__, error)


@runtime_checkable
class StartingPolicy(ScriptedPolicy, Protocol):
    """A policy that says how its episodes start, such as with a task."""

    def begin(self, world: World, seeds: Sequence[int]) -> Frame:
        """Start an episode in each copy, by `World.reset` or `World.begin`; called before `reset`."""


def row_of(observation: Observation, index: Any) -> dict[str, NDArray[Any]]:
    """The same index taken in every stream."""
    return {name: values[index] for name, values in observation.items()}
