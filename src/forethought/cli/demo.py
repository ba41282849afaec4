"""`forethought demo`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from forethought.cli.console import print_result


@dataclass(frozen=True)
class Demo:
    """Collect, train, evaluate and write the page: the whole of it in one command, a few minutes on two cores.

    For example:
        forethought demo
        forethought demo --seed 1 --out runs/second
        forethought demo --tiny --out runs/smoke
    """

    world: str = "forethought/Rooms-v0"
    """A built-in world or any Gymnasium id, also package.module:Env-v0."""
    out: Path = Path("runs/demo")
    """Folder for the run and its report.html."""
    seed: int = 0
    """Of collection, training and evaluation."""
    tiny: bool = False
    """Seconds instead of minutes: shows that everything works here, not what the agent can do."""

    def run(self) -> int:
        """Run it and say where the page is."""
        from forethought.demo import demo

        page = demo(world=self.world, out=self.out, seed=self.seed, tiny=self.tiny)
        print_result(f"The page: {page}")
        return 0
