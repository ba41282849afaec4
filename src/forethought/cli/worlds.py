"""`forethought worlds`."""

from __future__ import annotations

from dataclasses import dataclass

from forethought.cli.console import print_result


@dataclass(frozen=True)
class Worlds:
    """List the built-in worlds, and explain how to use any other environment.

    For example:
        forethought worlds
    """

    def run(self) -> int:
        """Print the list."""
        from forethought.worlds.registry import describe, names

        for name in names():
            print_result(f"{name}\n    {describe(name)}")
        print_result("Any Gymnasium id works too, also package.module:Env-v0; options follow as --option key=value.")
        print_result("`forethought look WORLD` shows what an agent sees, does and is told there.")
        return 0
