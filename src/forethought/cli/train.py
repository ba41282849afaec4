"""`forethought train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_page, print_result
from forethought.cli.evaluate import Evaluate
from forethought.cli.values import options_of, overrides_of


@dataclass(frozen=True)
class Train:
    """Train an agent on a store: world model, predictor, critic, upper levels (if any) and Mode-1; then evaluate it and write
    the report.

    For example:
        forethought train data/rooms --out runs/rooms
        forethought train data/rooms --out runs/rooms --resume
        forethought train data/rooms --out runs/short --seconds 120 --set planner.horizon=8
        torchrun --nproc-per-node 4 -m forethought train data/rooms --out runs/rooms
        forethought train data/rooms --out runs/mine --use my_parts --set model.encoder.kind=mine
    """

    store: Annotated[Positional[Path], arg(metavar="STORE")]
    """Folder of a store, written by `forethought collect`."""
    out: Path
    """Folder of the run."""
    seed: int = 0
    """Seed of weights, batches and noise."""
    config: Path | None = None
    """JSON file of overrides, such as {"planner": {"horizon": 8}}; the configurator chooses all other settings."""
    override: Annotated[UseAppendAction[tuple[str, ...]], arg(name="set")] = ()
    """One override as dotted.name=value (`forethought settings` lists all); may be repeated; takes precedence over --config."""
    seconds: float | None = None
    """Limit of training in seconds by the clock, evaluation and report not included (None: steps follow from the store). Phases
    are shortened at the measured speed; what was cut is said, and recorded in training.json."""
    memory_gib: float | None = None
    """Limit of main memory in GiB (None: no limit); training that exceeds it is refused before it starts."""
    ms_per_decision: float | None = None
    """Limit of a whole decision in ms at the 95th percentile, all levels together (None: no limit). Searches stop in time;
    where not one iteration fits, Mode-1 acts. The agent keeps it as planner.ms_per_decision."""
    success: UseAppendAction[tuple[str, ...]] = ()
    """Option of the success test as key=value, in place of the store's: success_distance, state_scale or success_pixels (null:
    derived from the data); may be repeated."""
    device: str | None = None
    """Where to train and evaluate: cpu, cuda, cuda:1 or mps (None: the best of this machine)."""
    resume: bool = False
    """Continue from the run's last checkpoint."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers your own parts, for runs that use them; searched in the current folder, too; may be repeated."""

    def begun(self) -> bool:
        """Whether `out` has a run that can be continued."""
        from forethought.config import CONFIGURATION

        return (self.out / CONFIGURATION).exists()

    def resuming(self) -> list[str]:
        """Arguments that continue the run; settings and budgets are stored in the run."""
        own = [word for module in self.use for word in ("--use", module)]
        where = [] if self.device is None else ["--device", self.device]
        return ["train", str(self.store), "--out", str(self.out), *where, "--resume", *own]

    def run(self) -> int:
        """Train, print where the agent is, evaluate on held-out tasks, write the report, and print its path.

        Without the extra `page` the evaluation is printed, and no report is written. Of several processes (torchrun) the first
        one evaluates and reports.
        """
        from forethought.device import on_device

        with on_device(self.device):
            return self._run()

    def _run(self) -> int:
        from forethought.configurator import Budget
        from forethought.data_parallel import launched_rank
        from forethought.extras import lacking
        from forethought.training.train import train

        train(
            self.store,
            out=self.out,
            seed=self.seed,
            config=overrides_of(self.config, self.override),
            budget=Budget(self.seconds, self.memory_gib, self.ms_per_decision),
            resume=self.resume,
            success=options_of(self.success),
        )
        if launched_rank() != 0:
            return 0  # the main process of the training goes on alone
        print_result(f"The agent: {self.out} (in words: forethought show {self.out})")
        if no_page := lacking("page"):
            print_result(f"No page is written. {no_page}")
            return Evaluate(self.out, out=self.out).run()
        from forethought.report.run_report import show_trained

        print_page(self.out, show_trained(self.out))
        return 0
