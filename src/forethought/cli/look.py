"""`forethought look`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_result
from forethought.cli.values import options_of


@dataclass(frozen=True)
class Look:
    """Look at a world before collecting: what an agent sees, does and is told there; a few random episodes; a picture.

    For example:
        forethought look CartPole-v1
        forethought look forethought/Rooms-v0 --option layout=four --out four.png
        forethought look Blackjack-v1 --option 'streams=["proprioception"]'
    """

    world: Annotated[Positional[str], arg(metavar="WORLD")]
    """A built-in world or any Gymnasium id, also package.module:Env-v0."""
    option: UseAppendAction[tuple[str, ...]] = ()
    """World option as key=value; may be repeated."""
    out: Path | None = None
    """File of the picture (None: look-WORLD.png in the current folder)."""
    episodes: int = 3
    """Number of random episodes."""
    seed: int = 0
    """Seed of the first episode."""

    def run(self) -> int:
        """Print what was found."""
        from forethought.worlds.look import look

        found = look(self.world, options=options_of(self.option), out=self.out, episodes=self.episodes, seed=self.seed)
        print_result(str(found))
        return 0
