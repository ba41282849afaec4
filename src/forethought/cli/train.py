"""`forethought train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_result
from forethought.cli.values import overrides_of


@dataclass(frozen=True)
class Train:
    """Train an agent on a store: world model, then predictor, critic, levels above where there are any, and Mode-1; ends
    with the page.

    For example:
        forethought train data/rooms --out runs/rooms
        forethought train data/rooms --out runs/rooms --resume
        forethought train data/rooms --out runs/short --seconds 120 --set planner.horizon=8
        forethought train data/rooms --out runs/mine --use my_parts --set model.encoder.kind=mine
    """

    store: Annotated[Positional[Path], arg(metavar="STORE")]
    """Folder of a store, as `forethought collect` writes it."""
    out: Path
    """Folder of the run."""
    seed: int = 0
    """Of weights, batches and noise."""
    config: Path | None = None
    """JSON file of overrides, such as {"planner": {"horizon": 8}}; all else is the configurator's choice."""
    override: Annotated[UseAppendAction[tuple[str, ...]], arg(name="set")] = ()
    """One override as dotted.name=value (`forethought settings` lists all); may be repeated, wins over --config."""
    seconds: float | None = None
    """Budget of training in seconds (None: as much as the configurator finds right for this store)."""
    memory_gib: float | None = None
    """Main memory that training may take, in GiB (None: no limit); what can't fit is refused before it begins."""
    ms_per_decision: float | None = None
    """Milliseconds that level 1's search may take in a decision, about, on a laptop's core (None: no limit); levels above come
    on top. Sets how many plans are imagined."""
    resume: bool = False
    """Go on from the run's last checkpoint."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers parts of your own, which a run names; looked for in the present folder, too; may be repeated."""

    def begun(self) -> bool:
        """Whether there is a run to go on with."""
        from forethought.config import CONFIGURATION

        return (self.out / CONFIGURATION).exists()

    def resuming(self) -> list[str]:
        """The words that go on with the run: a run has its settings and budgets already."""
        own = [word for module in self.use for word in ("--use", module)]
        return ["train", str(self.store), "--out", str(self.out), "--resume", *own]

    def run(self) -> int:
        """Train, test on held-out tasks, write the page; then say where it is."""
        from forethought.configurator import Budget
        from forethought.report.run_report import show_run
        from forethought.training.train import train

        train(
            self.store,
            out=self.out,
            seed=self.seed,
            config=overrides_of(self.config, self.override),
            budget=Budget(self.seconds, self.memory_gib, self.ms_per_decision),
            resume=self.resume,
        )
        print_result(f"The agent: {self.out} (in words: forethought show {self.out})")
        print_result(f"The page: {show_run(self.out)}")
        return 0
