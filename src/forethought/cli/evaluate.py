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
    """Put a trained agent before held-out tasks: success with its interval, floor, ceiling, model calls, latency.

    For example:
        forethought evaluate runs/rooms
        forethought evaluate runs/rooms --mode react --tasks 200
        forethought evaluate runs/crossing --cvar 0.75
    """

    agent: Annotated[Positional[Path], arg(metavar="RUN")]
    """Folder of a run."""
    world: str | None = None
    """World to evaluate in (None: the one that it was trained on)."""
    tasks: int = 100
    """How many of the frozen tasks."""
    mode: Literal["react", "plan", "auto"] = "plan"
    """Mode-1, Mode-2, or Mode-1 where its imagined outcome is good enough."""
    cvar: float | None = None
    """Where plans have several futures: 0 weighs all alike, towards 1 the worst alone count (None: as it was trained)."""
    seed: int = 0
    """Of the planner's noise."""
    out: Path | None = None
    """Folder for metrics.json (None: the figures are printed only)."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers parts of your own, which a run names; looked for in the present folder, too; may be repeated."""

    def run(self) -> int:
        """Evaluate and print the figures."""
        from forethought.evaluation.evaluate import evaluate

        score = evaluate(self.agent, self.world, tasks=self.tasks, mode=self.mode, cvar=self.cvar, seed=self.seed, out=self.out)
        print_result(f"{score.success_rate:.1%} of {score.tasks} tasks [{score.success_low:.1%}, {score.success_high:.1%}]")
        plain = {f.name: getattr(score, f.name) for f in dataclasses.fields(score)}
        figures({name: value for name, value in plain.items() if isinstance(value, int | float | str)})
        return 0
