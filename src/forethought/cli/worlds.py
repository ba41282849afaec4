"""`forethought worlds`."""

from __future__ import annotations

from dataclasses import dataclass

from forethought.cli.console import say


@dataclass(frozen=True)
class Worlds:
    """List the worlds that are known by name, and how to use any other.

    For example:
        forethought worlds
    """

    def run(self) -> int:
        """Print them."""
        from forethought.worlds.registry import describe, names

        for name in names():
            say(f"{name}\n    {describe(name)}")
        say("Any Gymnasium id works too, also package.module:Env-v0; options follow as --option key=value.")
        return 0
