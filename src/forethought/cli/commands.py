"""Commands of other packages: entry points of the group `forethought.commands`, loaded when they are needed.

A package adds `NAME = "package.module:Class"` to that group; the class is a frozen dataclass like those in this folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from forethought.errors import ForethoughtError, did_you_mean

GROUP = "forethought.commands"
COMPANIONS = {"bench": "forethought_benchmarks"}
"""Commands that a package of our own brings: its name is said where it is missing."""


@runtime_checkable
class Verb(Protocol):
    """One command: a frozen dataclass whose fields are its options."""

    def run(self) -> int:
        """Do it; the exit code."""


def installed_commands() -> dict[str, EntryPoint]:
    """The commands that installed packages bring, by name; none of them is imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def load_command(name: str, known: Iterable[str]) -> type[Verb]:
    """Import one of them.

    Args:
        name: of the command. known: names of the commands that need no other package, for a misspelt one.

    Raises:
        ForethoughtError: no package brings it, or the one that does cannot be imported.
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
