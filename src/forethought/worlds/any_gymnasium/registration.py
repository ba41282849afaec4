"""An id that this process has registered, for a process that has not."""

from __future__ import annotations

import dataclasses

import gymnasium
from gymnasium.envs.registration import EnvSpec

from forethought.errors import ForethoughtError
from forethought.worlds.any_gymnasium.making import importable_place, registered_id


class OnlyHereError(ForethoughtError):
    """Another process cannot make the environment: its class is of this script or notebook, or has no importable name."""


def registration_of(name: str) -> str:
    """The registration of an id as JSON, for `register_again`; empty where another process finds the id by its name.

    Raises:
        OnlyHereError: no other process can import what makes the environment.
    """
    registered = registered_id(name)
    if registered is None:
        return ""
    try:
        return _as_json(name, gymnasium.registry[registered])
    except OnlyHereError:
        if ":" in name:
            # The module in front of the id registers it there, too.
            return ""
        raise


def _as_json(name: str, spec: EnvSpec) -> str:
    entry, vector = spec.entry_point, spec.vector_entry_point
    place = importable_place(entry) if callable(entry) else entry
    if place is None or place.startswith("__main__:"):
        raise OnlyHereError(
            f"World {name!r} is made by {getattr(entry, '__qualname__', entry)!s} of this script or notebook, which a "
            "collecting process cannot import: use workers=0, or move it into a module"
        )
    try:
        return dataclasses.replace(spec, entry_point=place, vector_entry_point=None if callable(vector) else vector).to_json()
    except (TypeError, ValueError) as error:
        raise OnlyHereError(
            f"World {name!r} is registered with arguments or wrappers that cannot be sent to a collecting process ({error}): "
            "use workers=0, or register it in a module and write 'module:Env-v0'"
        ) from error


def register_again(registration: str) -> None:
    """Register what `registration_of` returned, unless the id is known here."""
    if registration:
        spec = EnvSpec.from_json(registration)
        gymnasium.registry.setdefault(spec.id, spec)
