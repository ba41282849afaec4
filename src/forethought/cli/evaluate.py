"""`forethought evaluate`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import figures, print_result


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a trained agent on held-out tasks: success rate with interval, floor, ceiling, clones of the recording, return,
    model calls, latency.

    For example:
        forethought evaluate runs/rooms
        forethought evaluate runs/rooms --mode react --tasks 200 --workers 2
        forethought evaluate runs/crossing --cvar 0.75
    """

    agent: Annotated[Positional[Path], arg(metavar="RUN")]
    """Folder of a run."""
    world: str | None = None
    """World to evaluate in (None: the world of the training)."""
    tasks: int = 100
    """Number of frozen held-out tasks."""
    mode: Literal["react", "plan", "auto"] = "plan"
    """react: Mode-1, plan: Mode-2, auto: Mode-1 if the predicted cost of its outcome is low enough, else Mode-2."""
    cvar: float | None = None
    """Risk aversion of a stochastic model: 0 is the mean over futures, towards 1 the worst future (None: as trained)."""
    seed: int = 0
    """Seed of the planner's samples."""
    out: Path | None = None
    """Folder for metrics.json (None: print the metrics only)."""
    store: Path | None = None
    """Store whose held-out episodes hold the goals, for worlds without goals of their own (None: the one of the training)."""
    workers: int | None = None
    """Number of parallel worker processes (None: 0, or all CPUs of the cluster); 0: in this process."""
    cluster: str | None = None
    """Ray cluster whose nodes run the tasks: auto (the one of this machine) or HOST:PORT of its head."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers your own parts, for runs that use them; searched in the current folder, too; may be repeated."""

    def run(self) -> int:
        """Evaluate and print the metrics."""
        from forethought.evaluation.baselines import baseline_figures, return_figures
        from forethought.evaluation.evaluate import evaluation

        evaluated = evaluation(
            self.agent,
            self.world,
            tasks=self.tasks,
            mode=self.mode,
            cvar=self.cvar,
            seed=self.seed,
            out=self.out,
            store=self.store,
            workers=self.workers,
            cluster=self.cluster,
        )
        for line in evaluated.diagnosis():
            print_result(line)
        score = evaluated.score
        low, high = score.random_interval
        print_result(
            f"{score.success_rate:.1%} of {score.tasks} tasks [{score.success_low:.1%}, {score.success_high:.1%}], one seed; "
            f"random actions {score.random_floor:.1%} [{low:.1%}, {high:.1%}]"
        )
        for line in score.notes:
            print_result(line)
        plain = {f.name: getattr(score, f.name) for f in dataclasses.fields(score)}
        plain |= return_figures(score.episodes) | baseline_figures(score.baselines)
        figures({name: value for name, value in plain.items() if isinstance(value, int | float | str)})
        return 0
