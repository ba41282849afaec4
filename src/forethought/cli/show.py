"""`forethought show`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from forethought.cli.console import say
from forethought.errors import ForethoughtError


@dataclass(frozen=True)
class Show:
    """Say in words what a store or a run holds; for a run, every setting with its reason.

    For example:
        forethought show data/rooms
        forethought show runs/demo
    """

    path: Annotated[Positional[Path], arg(metavar="STORE|RUN")]
    """Folder of a store or of a run."""

    def run(self) -> int:
        """Print it."""
        say(describe(self.path))
        return 0


def describe(path: Path) -> str:
    """A store or a run in words."""
    raise ForethoughtError(f"{path} is neither a store nor a run.")
