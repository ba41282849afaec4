"""`hierarchy`: one level against several, on long ways (four rooms, the trip, mazes) and on short ones (two rooms, Push-T)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from forethought.evaluation.result_rows import write_results
from forethought_benchmarks import four_rooms, multi_building
from forethought_benchmarks.mazes import MAZES
from forethought_benchmarks.short_horizon import WAYS

NAME, SEEDS = "hierarchy", (0, 1, 2)


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Collect once, train and test each seed in each world, write the rows. Units on disk are not run again."""
    chosen = tuple(seeds or SEEDS)
    found = [line for part in (four_rooms, multi_building) for line in part.rows(out / part.NAME, chosen)]
    found += [line for world in (*WAYS, *MAZES) for line in world.rows(out / world.name, chosen)]
    return write_results(out, NAME, found)
