"""`drives`: lives in a meadow with all drives, with the reward alone, and with each drive alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from forethought.execution import Executor
from forethought_benchmarks.control import protocol as control
from forethought_benchmarks.control.control_worlds import ControlWorld
from forethought_benchmarks.control.unit import FORETHOUGHT, HUNGER_ONLY, PAIN_ONLY, REWARD_ONLY
from forethought_benchmarks.drives.meadow import EPISODE, Meadow

NAME = "drives"
SEEDS = (0, 1, 2)
AGENTS = (FORETHOUGHT, REWARD_ONLY, PAIN_ONLY, HUNGER_ONLY)
FELT = {"pain": "hurt", "hunger": "body.hunger"}
"""Drive -> where `info` has it."""
_ID = f"{Meadow.__module__}:Meadow-v0"
MEADOW = ControlWorld("Meadow-v0", _ID, 10, discrete=False, life_steps=10_000, max_steps=EPISODE, drives=FELT)


def run(
    out: Path,
    seeds: Sequence[int] | None = None,
    worlds: Sequence[str] = (),
    agents: Sequence[str] = (),
    executor: Executor | None = None,
) -> Path:
    """Measure what is not measured yet and write the rows; see `control.protocol.run`. `seeds`: None: three."""
    return control.run(out, seeds or SEEDS, worlds, agents, (MEADOW,), AGENTS, NAME, executor)
