"""`forethought tune`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_result
from forethought.cli.values import options_of, overrides_of


@dataclass(frozen=True)
class Tune:
    """Refine by search what the configurator's rules leave open, within a budget; ends with the best agent, its settings and
    the evidence of each choice on a page.

    For example:
        forethought tune data/rooms --out runs/tuned --seconds 3600
        forethought tune data/rooms --out runs/tuned --resume
        forethought tune data/rooms --out runs/tuned --trials 27 --workers 4
        forethought tune data/rooms --out runs/tuned --seconds 3600 --set planner.horizon=8
    """

    store: Annotated[Positional[Path], arg(metavar="STORE")]
    """Folder of a store, written by `forethought collect`."""
    out: Path
    """Folder of the tuning; OUT/best is the run of the best agent, OUT/config.json its settings for `train --config`."""
    seconds: float | None = None
    """Limit of the whole tuning in seconds by the clock (None: no limit). Trainings are shortened so that enough fit."""
    trials: int | None = None
    """Number of trainings that begin (None: 18, or as many as fit into --seconds)."""
    seed: int = 0
    """Seed of weights, batches and noise, and of the search."""
    config: Path | None = None
    """JSON file of overrides, which are kept and not searched."""
    override: Annotated[UseAppendAction[tuple[str, ...]], arg(name="set")] = ()
    """One override as dotted.name=value, kept and not searched; may be repeated; takes precedence over --config."""
    tasks: int = 64
    """Number of validation tasks, or fewer where --seconds is short. None of them is one that `forethought evaluate` asks."""
    success: UseAppendAction[tuple[str, ...]] = ()
    """Option of the success test as key=value, as in `forethought train`; may be repeated."""
    workers: int | None = None
    """Number of parallel worker processes (None: 0, or all CPUs of the cluster); 0: in this process. At most 9 are used."""
    cluster: str | None = None
    """Ray cluster whose nodes run the trials: auto (the one of this machine) or HOST:PORT of its head; all need the folders."""
    device: str | None = None
    """Where to train and evaluate: cpu, cuda, cuda:1 or mps (None: the best of this machine)."""
    resume: bool = False
    """Go on with the tuning in the folder, with its own settings and budget."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers your own parts; searched in the current folder, too; may be repeated."""

    def begun(self) -> bool:
        """Whether `out` has a tuning that can be continued."""
        return (self.out / "tuning.json").exists()

    def resuming(self) -> list[str]:
        """Arguments that continue the tuning; settings and budget are stored in it."""
        own = [word for module in self.use for word in ("--use", module)]
        where = [] if self.device is None else ["--device", self.device]
        workers = [] if self.workers is None else ["--workers", str(self.workers)]
        cluster = [] if self.cluster is None else ["--cluster", self.cluster]
        return ["tune", str(self.store), "--out", str(self.out), *workers, *cluster, *where, "--resume", *own]

    def run(self) -> int:
        """Tune, write the page, and print what came out."""
        from forethought.extras import lacking
        from forethought.tuning import tune

        result = tune(
            self.store,
            out=self.out,
            seconds=self.seconds,
            trials=self.trials,
            seed=self.seed,
            config=overrides_of(self.config, self.override),
            tasks=self.tasks,
            success=options_of(self.success),
            resume=self.resume,
            workers=self.workers,
            cluster=self.cluster,
            device=self.device,
        )
        for sentence in result.sentences:
            print_result(sentence)
        print_result(f"The agent: {result.run} (in words: forethought show {result.run})")
        if no_page := lacking("page"):
            print_result(f"No page is written. {no_page}")
            return 0
        from forethought.report.tuning_page import write_tuning_page

        print_result(f"The page: {write_tuning_page(self.out)}")
        return 0
