"""Policies of one's own in a collection: a function of an environment's observation that returns an action of it."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import ActionSpace, Frame, WorldSpec
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.adapter_policies import POLICY_STREAM
from forethought.worlds.any_gymnasium.actions import ActionConverter
from forethought.worlds.any_gymnasium.making import importable_place
from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.env_adapter import GlobalRngIsolation, GlobalRngState
from forethought.worlds.random_streams import world_seed
from forethought.worlds.time_limit import TimedOut, time_limit


@dataclass(frozen=True)
class PolicyMaker:
    """Makes the policy of a collection that is none of the world's scripted ones, in each process that collects.

    Fields:
        name: in the store's recipe.
        make: a new policy; it acts in one copy of the world.
        place, argument: `module:function` that returns this maker for that argument in another process; empty: this process
            only has it.
        block: steps that it decides about at once; None: one.
        check: raises a `ForethoughtError` if it cannot act in a world of this description.
    """

    name: str
    make: Callable[[], ScriptedPolicy]
    place: str = ""
    argument: str = ""
    block: int | None = None
    check: Callable[[WorldSpec], None] = lambda spec: None

    def __reduce__(self) -> tuple[Callable[[str, str], PolicyMaker], tuple[str, str]]:
        """Another process makes its own; one without a `place` cannot be sent."""
        if not self.place:
            raise TypeError(f"the policy {self.name!r} is of this process alone")
        return maker_from, (self.place, self.argument)


@functools.lru_cache(1)
def maker_from(place: str, argument: str) -> PolicyMaker:
    """The maker that `place` returns for `argument`; both come from the process that made it, never from a file."""
    module, _, name = place.rpartition(":")
    made: PolicyMaker = getattr(import_module(module), name)(argument)
    return made


def own_policy(policy: str | Callable[..., Any]) -> PolicyMaker:
    """The maker of a policy of one's own.

    Args:
        policy: a function `observation -> action`, an object that can be called so, or a class of such objects, made without
            arguments; or the name `module:attribute` of one, searched in the current folder, too. If it has a method
            `reset(seed)`, that is called at the start of each episode.

    Raises:
        ForethoughtError: there is nothing of that name, or it cannot be called.
    """
    found = _found(policy) if isinstance(policy, str) else policy
    place = policy if isinstance(policy, str) else importable_place(policy) or ""
    name = place or f"{getattr(found, '__module__', '')}:{getattr(found, '__qualname__', type(found).__qualname__)}"

    def make() -> ScriptedPolicy:
        return OwnPolicy(_made(found, name), name)

    make()  # what cannot be made is known before anything is recorded
    return PolicyMaker(name, make, f"{__name__}:{own_policy.__name__}" if place else "", place)


def _found(name: str) -> Any:
    module, _, attribute = name.rpartition(":")
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.append(folder)
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise ForethoughtError(f"the policy {name!r} needs the module {error.name!r}, which is not installed.") from error
        raise ForethoughtError(
            f"the policy {name!r}: there is no module {error.name!r}, neither installed nor in {folder}; check its name."
        ) from error
    except AttributeError as error:
        raise ForethoughtError(f"the policy {name!r}: {error}; check its name.") from error
    except Exception as error:
        raise ForethoughtError(f"the policy {name!r}: its module raised {type(error).__name__}: {error}.") from error


def _made(found: Any, name: str) -> Callable[[Any], Any]:
    try:
        policy = found() if inspect.isclass(found) else found
    except Exception as error:
        raise ForethoughtError(
            f"the policy {name!r} cannot be made without arguments: {type(error).__name__}: {error}; give an object of it, "
            "or a function."
        ) from error
    if not callable(policy):
        raise ForethoughtError(
            f"the policy {name!r} is a {type(policy).__name__}, which cannot be called; write a function observation -> action."
        )
    called: Callable[[Any], Any] = policy
    return called


class OwnPolicy:
    """A policy of one's own as a `ScriptedPolicy` of one copy of a world.

    It gets what the environment itself observes, and returns an action of the environment's own space. In a world that is no
    Gymnasium environment or has an adapter of its own, it gets the only stream or a dictionary of the streams, and returns an
    array of the world's `ActionSpace`, or a choice. Its global random numbers (NumPy's and Python's) follow the episode's seed.
    """

    def __init__(self, policy: Callable[[Any], Any], name: str) -> None:
        """`name`: for messages."""
        self._policy, self._name = policy, name
        self._random = GlobalRngState(0)

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Start an episode; `reset(seed)` of the policy is called if it has one.

        Raises:
            ForethoughtError: the world has several copies, or the policy raised.
        """
        if world.num != 1:
            raise ForethoughtError(f"the policy {self._name!r} acts in one copy of a world, not in {world.num}.")
        self._seed, self._step = world_seed(seeds[0]), 0
        self._isolation = world.isolation if isinstance(world, GymnasiumWorld) else GlobalRngIsolation()
        self._patience = world.patience if isinstance(world, GymnasiumWorld) else None
        self._actions = ActionConverter(_space_of(world.spec.action), world.spec.name)
        self._isolation.restart(self._random, self._seed ^ POLICY_STREAM)
        if callable(reset := getattr(self._policy, "reset", None)):
            self._call("reset", reset, self._seed)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Action [1, size].

        Raises:
            ForethoughtError: the policy raised or hung, or its action is NaN or not one of the environment's.
        """
        copy = world.copies[0] if isinstance(world, GymnasiumWorld) else None
        observation = None if copy is None else copy.observed()
        if observation is None:
            streams = {name: values[0] for name, values in frame.observation.items()}
            observation = next(iter(streams.values())) if len(streams) == 1 else streams
        native = self._call("act", self._policy, observation)
        try:
            action = None if copy is None else copy.action_of(native)
            action = self._actions.agent(native) if action is None else action
        except ForethoughtError as error:
            raise ForethoughtError(f"the policy {self._name!r} at step {self._step} (seed {self._seed}): {error}") from error
        self._step += 1
        return action[None]

    def _call(self, doing: str, call: Callable[[Any], Any], argument: Any) -> Any:
        with contextlib.ExitStack() as around:
            around.enter_context(self._isolation)
            self._isolation.lend(self._random)
            try:
                with time_limit(self._patience):
                    return call(argument)
            except (Exception, TimedOut) as error:
                cause = "hung" if isinstance(error, TimedOut) else f"raised {type(error).__name__}: {error}"
                where = "in its reset" if doing == "reset" else f"at step {self._step}"
                raise ForethoughtError(f"the policy {self._name!r} {cause} {where} (seed {self._seed}).") from error


def _space_of(action: ActionSpace) -> spaces.Space[Any]:
    """The same space as one of Gymnasium's."""
    if action.kind == "discrete":
        return spaces.Discrete(action.size)
    return spaces.Box(np.array(action.low, np.float32), np.array(action.high, np.float32))
