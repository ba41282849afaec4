"""Worlds by name: the families that ship with Forethought, those of installed packages, and any Gymnasium id.

A family is one `EnvFamily`. Another package brings one by an entry point of the group `forethought.worlds`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, SupportsIndex

from forethought.errors import ForethoughtError, did_you_mean, require_whole
from forethought.types import WorldSpec
from forethought.worlds.any_gymnasium.making import name_of, registered_id
from forethought.worlds.any_gymnasium.registration import registration_of
from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.env_family import EnvFamily
from forethought.worlds.families import BUILT_IN, FAMILIES, GYMNASIUM

log = logging.getLogger(__name__)
GROUP = "forethought.worlds"
MOST_COPIES = 100_000
_GYMNASIUM_ID = re.compile(r"([\w.]+:)?([\w.-]+/)?[\w.-]+-v\d+|[\w.]+:([\w.-]+/)?[\w.-]+")


@cache
def installed_families() -> tuple[EnvFamily, ...]:
    """The families that other packages bring, read once in a process.

    One that cannot be loaded is left out with a warning: the worlds of the others work all the same.
    """
    found = (_loaded(entry) for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name))
    return tuple(family for family in found if family is not None)


def _loaded(entry: EntryPoint) -> EnvFamily | None:
    try:
        family = entry.load()
    except Exception as error:
        log.warning("the worlds '%s' cannot be loaded from %s: %s; install their package again", entry.name, entry.value, error)
        return None
    if not isinstance(family, EnvFamily):
        log.warning("the entry point '%s' at %s is no EnvFamily but %s", entry.name, entry.value, type(family).__name__)
        return None
    return family


def family_of(name: str) -> EnvFamily:
    """The family that a world belongs to: one of ours, one of another package, or that of any Gymnasium id.

    Raises:
        ForethoughtError: the name is none of a known world and no Gymnasium id.
    """
    for family in (*FAMILIES, *installed_families()):
        if family.matches(name):
            return family
    if not name.startswith("forethought/") and (_GYMNASIUM_ID.fullmatch(name) or registered_id(name) is not None):
        return GYMNASIUM
    raise ForethoughtError(f"There is no world '{name}': {did_you_mean(name, names())}")


def names() -> list[str]:
    """Names of the worlds that are built in or known to work, the built-in ones first."""
    return list(_known())


def describe(name: str) -> str:
    """What a known world is, in one line.

    Raises:
        ForethoughtError: the world is not in `names()`.
    """
    known = _known()
    if name not in known:
        raise ForethoughtError(f"There is no known world '{name}': {did_you_mean(name, known)}")
    return known[name]


def _known() -> dict[str, str]:
    return {name: line for family in (*FAMILIES, *installed_families()) for name, line in family.worlds.items()}


def world_name(world: str | Callable[..., Any]) -> str:
    """The name of a world that may be given as the class or the annotated function that makes it: `module:maker`.

    Raises:
        ForethoughtError: it is neither a name nor a maker that other processes can import.
    """
    return name_of(world) if callable(world) else str(world)


def registration(name: str) -> str:
    """What another process must register to make the world; empty for a world that it finds by its name.

    Raises:
        OnlyHereError: no other process can make it.
    """
    return registration_of(name) if family_of(name) is GYMNASIUM else ""


def make(name: str | Callable[..., Any], num: SupportsIndex, **options: Any) -> World:
    """N copies of a world.

    Args:
        name: a known name; a Gymnasium id, also `package.module:Env-v0`, where importing `package.module` registers the id; or
            `module:maker`, a subclass of `gymnasium.Env`, or a function annotated as returning one, or that itself.
        num: how many copies.
        options: of the world: `RoomsOptions`, `CrossingOptions`, `PushTOptions`, `PointMazeOptions`, `HighwayOptions`, or
            `GymnasiumOptions` for any other id.

    Raises:
        ForethoughtError: no such world; an option that the world does not have; a package that is missing.
    """
    name = world_name(name)
    return family_of(name).make(name, require_whole(num, "The number of copies", 1, MOST_COPIES), options)


def policy(world: WorldSpec | str, name: str) -> ScriptedPolicy:
    """A scripted policy of a world.

    Args:
        world: the world's name or spec.
        name: of the policy; every world has `random`.

    Raises:
        ForethoughtError: no such world or policy.
    """
    world_name = world if isinstance(world, str) else world.name
    known = policies(world_name)
    if name not in known:
        raise ForethoughtError(f"World {world_name} has no policy '{name}': {did_you_mean(name, known)}")
    return known[name]()


def policies(name: str) -> Mapping[str, Callable[[], ScriptedPolicy]]:
    """All scripted policies of a world, name -> how to make one."""
    return family_of(name).policies(name)


def built_in(name: str) -> bool:
    """Whether a world is one of Forethought's own.

    Raises:
        ForethoughtError: there is no such world.
    """
    return family_of(name) in BUILT_IN
