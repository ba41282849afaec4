"""Commands of other packages: entry points of the group `forethought.commands`, loaded on demand.

A package adds `NAME = "package.module:Class"` to that group; the class is a frozen dataclass like those in this folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from forethought.errors import ForethoughtError, did_you_mean

GROUP = "forethought.commands"
COMPANIONS = {"bench": "forethought_benchmarks"}
"""Command -> our own package that provides it; the error message names the package if it is missing."""


@runtime_checkable
class Verb(Protocol):
    """One command: a frozen dataclass whose fields are its options."""

    def run(self) -> int:
        """Run the command; returns the exit code."""


def installed_commands() -> dict[str, EntryPoint]:
    """Commands of installed packages by name, without importing them."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def load_command(name: str, known: Iterable[str]) -> type[Verb]:
    """Import the command of another package.

    Args:
        name: name of the command. known: names of the built-in commands, for suggestions on a misspelt name.

    Raises:
        ForethoughtError: no package provides the command, or its package cannot be imported.
    """
    commands = installed_commands()
    if name not in commands:
        if name in COMPANIONS:
            raise ForethoughtError(
                f"the command '{name}' comes with the package {COMPANIONS[name]}, which is not installed here: install "
                "Forethought's wheel, which has both (pip install forethought; in a clone: pip install -e .)."
            )
        raise ForethoughtError(f"there is no command '{name}': {did_you_mean(name, [*known, *commands])}")
    entry = commands[name]
    try:
        command = entry.load()
    except (ImportError, AttributeError) as error:
        raise ForethoughtError(
            f"the command '{name}' cannot be loaded from {entry.value}: {error}; install its package again, or remove it."
        ) from error
    if not (isinstance(command, type) and issubclass(command, Verb)):
        raise ForethoughtError(f"the command '{name}' at {entry.value} is no command: it must be a class with a method run().")
    return command
