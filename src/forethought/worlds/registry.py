"""Worlds by name: the built-in ones, and any Gymnasium id through the adapter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from forethought.errors import ForethoughtError, did_you_mean
from forethought.types import WorldSpec
from forethought.worlds import crossing, rooms
from forethought.worlds.contract import ScriptedPolicy, World

_GYMNASIUM_ID = re.compile(r"([\w.]+:)?([\w.-]+/)?[\w.-]+-v\d+")

WORLDS: Mapping[str, Callable[..., World]] = {rooms.NAME: rooms.RoomsWorld, crossing.NAME: crossing.CrossingWorld}
"""Built-in worlds: name -> (num, **options) -> World."""

_POLICIES: Mapping[str, Mapping[str, Callable[[], ScriptedPolicy]]] = {
    rooms.NAME: rooms.POLICIES,
    crossing.NAME: crossing.POLICIES,
}

_KNOWN: Mapping[str, str] = {
    rooms.NAME: "Rooms, walls and doors seen from above, 64x64 pixels, continuous 2-d action; built in, many options.",
    crossing.NAME: "Crossing, a road and drivers who may or may not stop, 64x64 pixels and the body's place; built in.",
    "gym_pusht/PushT-v0": "Push a T-shaped block into place, from pixels and/or state; needs the [worlds] extra.",
    "pointmaze-medium-v0": "OGBench: steer a point through a medium maze, pixels or state; needs the [worlds] extra.",
    "pointmaze-teleport-v0": "OGBench: a maze whose teleports lead to one of three places by chance; needs the [worlds] extra.",
    "highway-merge-v0": "highway-env: a car comes down the ramp and gives way, or does not; needs the [worlds] extra.",
    "highway-intersection-v0": "highway-env: a car nears and turns off, or crosses your way; needs the [worlds] extra.",
    "pointmaze-large-v0": "OGBench: steer a point through a large maze, pixels or state; needs the [worlds] extra.",
    "pointmaze-giant-v0": "OGBench: steer a point through a giant maze, pixels or state; needs the [worlds] extra.",
}


def names() -> list[str]:
    """Names of the worlds that are built in or known to work, the built-in ones first."""
    return list(_KNOWN)


def describe(name: str) -> str:
    """What a known world is, in one line.

    Raises:
        ForethoughtError: the world is not in `names()`.
    """
    if name not in _KNOWN:
        raise ForethoughtError(f"There is no known world '{name}': {did_you_mean(name, _KNOWN)}")
    return _KNOWN[name]


def make(name: str, num: int, **options: Any) -> World:
    """N copies of a world.

    Args:
        name: a built-in name, or a Gymnasium id, also `package.module:Env-v0`.
        num: how many copies.
        options: of the world.

    Raises:
        ForethoughtError: no such world; an option that the world does not have.
    """
    if built_in(name):
        return WORLDS[name](num, **options)
    from forethought.worlds.adapter import adapt

    return adapt(name, num, **options)


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
    if built_in(name):
        return _POLICIES[name]
    from forethought.worlds.adapter import adapted_policies

    return adapted_policies(name)


def built_in(name: str) -> bool:
    """Whether a name is built in; False if it may be a Gymnasium id.

    Raises:
        ForethoughtError: it can be neither.
    """
    if name in WORLDS:
        return True
    if name.startswith("forethought/") or not _GYMNASIUM_ID.fullmatch(name):
        raise ForethoughtError(f"There is no world '{name}': {did_you_mean(name, _KNOWN)}")
    return False
