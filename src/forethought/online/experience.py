"""The agent's own experience: episodes acted in a world or read again from the dataset, block by block, to one listener.

A run that was killed reads the episodes that it had recorded since its checkpoint again, and so learns what it would have
learned: nothing that was lived is lost, and the world is not asked twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from forethought.data.recorder import fault_of, record
from forethought.online.replay import Happened
from forethought.types import Episode, Frame, WorldSpec
from forethought.worlds import World, registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.check import ignored_seed
from forethought.worlds.contract import close_world
from forethought.worlds.notices import warn_once

Streams = Mapping[str, NDArray[Any]]


@runtime_checkable
class Listener(Protocol):
    """What decides, and learns from what happens; called in the order of events."""

    def begin(self, observation: Streams) -> None:
        """An episode begins with this observation."""

    def decide(self, observation: Streams) -> NDArray[np.float32]:
        """The next action block [A], in environment units (one-hot if discrete)."""

    def happened(self, what: Happened) -> None:
        """The block was taken, and led to this."""


class _Acting:
    """A policy for `record` that asks a listener at each block, and tells it what the block led to.

    The last block of an episode has no decision after it: `finish` tells it.
    """

    def __init__(self, listener: Listener, spec: WorldSpec, block: int) -> None:
        self._listener, self._spec, self._block = listener, spec, block

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """See `ScriptedPolicy`."""
        self._queue: deque[NDArray[np.float32]] = deque()
        self._action: NDArray[np.float32] | None = None
        self._reward, self._drives = np.float32(0), np.zeros(len(self._spec.drives), np.float32)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """See `ScriptedPolicy`."""
        self._reward, self._drives = np.float32(self._reward + frame.rewards[0]), self._drives + frame.drives[0]
        if not self._queue:
            observation = {name: values[0] for name, values in frame.observation.items()}
            if self._action is None:
                self._listener.begin(observation)
            else:
                self._listener.happened(Happened(self._action, float(self._reward), self._drives, False, observation))
            self._reward, self._drives = np.float32(0), np.zeros_like(self._drives)
            self._action = np.asarray(self._listener.decide(observation), np.float32)
            self._queue.extend(self._action.reshape(self._block, -1))
        return self._queue.popleft()[None]

    def finish(self, episode: Episode) -> None:
        """Tell the listener how the episode's last block ended."""
        self._listener.happened(Happened.at(episode, len(episode) - 1, self._block))


class Habitat:
    """One copy of a world in which episodes are lived; replaced after a fault."""

    def __init__(self, spec: WorldSpec, name: str, options: Mapping[str, Any], patience: float | None = None) -> None:
        """`name`, `options`: as in `worlds.make`. `patience`: as in `collect`."""
        self.spec, self._name, self._options, self._patience = spec, name, options, patience
        self._world: World | None = None
        self._seed_tried = False

    def live(self, listener: Listener, seed: int, block: int) -> Episode | str:
        """Live one episode in blocks of `block` steps; the reason of its loss where the world fails or gives what can't be
        recorded.
        """
        world = self.open(seed)
        acting = _Acting(listener, self.spec, block)
        try:
            (episode,) = record(world, acting, [seed], block, lambda event, number, why: None)
            fault = fault_of(episode, self.spec, block)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            self.close()
            return fault
        acting.finish(episode)
        return episode

    def open(self, seed: int) -> World:
        """The world; the first one is tried with this seed: one that does not follow it can't be lived in again."""
        if self._world is None:
            self._world = registry.make(self._name, 1, **self._options)
            if isinstance(self._world, GymnasiumWorld):
                self._world.patience = self._patience
            if not self._seed_tried and (sentence := ignored_seed(self._world, seed)):
                warn_once(self._name, sentence)
            self._seed_tried = True
        return self._world

    def close(self) -> None:
        """Release the world."""
        if self._world is not None:
            close_world(self._world)
        self._world = None


def relive(listener: Listener, episode: Episode, block: int) -> None:
    """Go through a recorded episode with blocks of `block` steps again: the same events in order, decisions included."""

    def row(step: int) -> Streams:
        return {name: values[step] for name, values in episode.observation.items()}

    listener.begin(row(0))
    for step in range(len(episode)):
        listener.decide(row(step))
        listener.happened(Happened.at(episode, step, block))


class RandomActor:
    """Uniform actions, one repeated over each block: a function of the seed, the episode's number and the block.

    Attributes: number: of the episode that begins next. block: environment steps in a block.
    """

    def __init__(self, spec: WorldSpec, seed: int) -> None:
        """`spec`: of the world. `seed`: of the life."""
        self._action, self._seed, self.number, self.block = spec.action, seed, 0, 1

    def begin(self, observation: Streams) -> None:
        """See `Listener`."""
        self._random = np.random.default_rng((self._seed, self.number))

    def decide(self, observation: Streams) -> NDArray[np.float32]:
        """See `Listener`."""
        action = self._action
        if action.kind == "discrete":
            drawn = np.arange(action.size) == self._random.integers(action.size)
        else:
            drawn = self._random.uniform(np.array(action.low, np.float32), np.array(action.high, np.float32))
        return np.tile(np.asarray(drawn, np.float32), self.block)

    def happened(self, what: Happened) -> None:
        """See `Listener`: nothing is learned."""
