"""`memory`: a life with the configurator's own choice, and one whose state is the present observation, from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from forethought.execution import Executor
from forethought_benchmarks.control import protocol as control
from forethought_benchmarks.control.unit import FORETHOUGHT, NO_MEMORY
from forethought_benchmarks.memory.memory_worlds import MEMORY_WORLDS

NAME = "memory"
SEEDS = (0, 1, 2)
AGENTS = (FORETHOUGHT, NO_MEMORY)


def run(
    out: Path,
    seeds: Sequence[int] | None = None,
    worlds: Sequence[str] = (),
    agents: Sequence[str] = (),
    executor: Executor | None = None,
) -> Path:
    """Measure what is not measured yet and write the rows; see `control.protocol.run`. `seeds`: None: three."""
    return control.run(out, seeds or SEEDS, worlds, agents, tuple(MEMORY_WORLDS.values()), AGENTS, NAME, executor)
