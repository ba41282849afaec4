"""`forethought demo`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from forethought.cli.console import print_page


@dataclass(frozen=True)
class Demo:
    """Collect, train, evaluate and write the report in one command; takes a few minutes on two cores.

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
    """Seed of collection, training and evaluation."""
    tiny: bool = False
    """Smoke test that takes seconds; the trained agent is not useful."""

    def run(self) -> int:
        """Run the demo and print the path of the report."""
        from forethought.demo import demo

        page = demo(world=self.world, out=self.out, seed=self.seed, tiny=self.tiny)
        print_page(self.out, page)
        return 0
