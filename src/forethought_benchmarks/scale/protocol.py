"""The benchmark `scale`: pieces are measured, then trainings of 1 to 4,096 workers are simulated."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from forethought.evaluation.result_rows import row, write_results
from forethought_benchmarks.scale.pieces import Pieces, measure
from forethought_benchmarks.scale.simulation import CHANGED, PRESENT, ClusterWorker, ScalePlan, Simulated, simulate, totals

NAME, WORKERS, PLANNED = "scale", (1, 8, 64, 256, 1000, 4096), 1000
"""Numbers of workers that are simulated; the number of the plan."""


def run(out: Path, repeats: int = 7) -> Path:
    """Measure and simulate; returns the result file."""
    return write_results(out, NAME, rows_of(measure(repeats)))


def rows_of(pieces: Pieces) -> list[dict[str, Any]]:
    """All rows: `pieces`, `totals` of the plan, and the simulated trainings by worker and design."""
    plan, gpu = ScalePlan(), ClusterWorker.accelerator()
    rows = [row("pieces", name, "value", value) for name, value in asdict(pieces).items()]
    rows += [row("totals", name, "value", value) for name, value in totals(plan, gpu, pieces, PLANNED).items()]
    for worker in (ClusterWorker.core(pieces), gpu):
        for design in (PRESENT, CHANGED):
            for workers in WORKERS:
                found = simulate(plan, worker, design, pieces, workers)
                rows += _simulated_rows(f"{worker.name}/{design.name}", found, plan)
    return rows


def _simulated_rows(world: str, found: Simulated, plan: ScalePlan) -> list[dict[str, Any]]:
    figures = {
        "step_seconds": found.step_seconds,
        "frames_per_second": found.frames_per_second,
        "hours_per_pass": found.hours(plan.frames),
        "efficiency_rate": found.efficiency,
        "lost_rate": found.lost,
    }
    shares = {f"{part.replace(' ', '_')}_rate": seconds / found.step_seconds for part, seconds in found.parts.items()}
    agent = f"{found.workers:,} workers" if found.workers > 1 else "1 worker"
    return [row(world, agent, name, value) for name, value in (figures | shares).items()]
