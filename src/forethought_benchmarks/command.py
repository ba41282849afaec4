"""`forethought bench`, which the command line finds as an entry point (`forethought.commands` in pyproject.toml)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_result


@dataclass(frozen=True)
class Bench:
    """Run a benchmark by its frozen protocol; without a name, list them.

    For example:
        forethought bench
        forethought bench rooms-random-doors --out runs/bench
    """

    name: Annotated[Positional[str], arg(metavar="NAME")] = ""
    """Which benchmark."""
    out: Path = Path("runs/bench")
    """Folder for its runs and its result file."""
    seeds: tuple[int, ...] = ()
    """Training seeds (none: those of the protocol)."""
    part: UseAppendAction[tuple[str, ...]] = ()
    """Part of the benchmarks `reliability`, `scaling` and `side-by-side` (none: all); may be repeated."""
    worlds: tuple[str, ...] = ()
    """Worlds of the benchmarks `control`, `memory`, `drives`, `standard` and `side-by-side` (none: all)."""
    agents: tuple[str, ...] = ()
    """Agents of `control` (forethought, sac, ppo, dqn), `memory` (forethought, no-memory) and `drives` (none: all)."""
    workers: int | None = None
    """Units of `control`, `memory`, `drives`, tasks of `standard`, measured at once (None: 1, or all CPUs of the cluster)."""
    cluster: str | None = None
    """Ray cluster that measures them: auto (this machine's) or HOST:PORT of its head; all nodes need the folder `out`."""
    peers: Path | None = None
    """Folder with git clones of stable-worldmodel and eb_jepa, for the benchmark `side-by-side`."""

    def run(self) -> int:
        """Run it and say where the rows are, and the page, where a benchmark has one."""
        from forethought.execution import make_executor
        from forethought_benchmarks.pages import PAGES
        from forethought_benchmarks.registry import names, run

        if not self.name:
            for name in names():
                print_result(name)
            return 0
        chosen = {"parts": self.part, "worlds": self.worlds, "agents": self.agents}
        apart = self.workers is not None or self.cluster is not None
        executor = make_executor(self.workers, self.cluster) if apart else None
        rows = run(self.name, self.out, seeds=self.seeds or None, executor=executor, peers=self.peers, **chosen)
        print_result(f"The rows: {rows}")
        if self.name in PAGES:
            print_result(f"The page: {PAGES[self.name](rows)}")
        return 0
