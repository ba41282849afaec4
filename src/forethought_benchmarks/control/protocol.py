"""`control`: each world, agent and seed is one unit, measured once and alone; rows of all finished ones."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forethought.errors import ForethoughtError
from forethought.evaluation.result_rows import write_results
from forethought.execution import Emit, Executor, InProcess, run_units
from forethought_benchmarks.control.baselines import require_baselines
from forethought_benchmarks.control.control_rows import control_rows
from forethought_benchmarks.control.control_worlds import CONTROL_WORLDS, ControlWorld
from forethought_benchmarks.control.unit import FORETHOUGHT, ControlUnit
from forethought_benchmarks.control.zoo import ALGORITHMS
from forethought_benchmarks.selection import require_known

log = logging.getLogger(__name__)
NAME = "control"
SEEDS = (0, 1, 2, 3, 4)
AGENTS = (FORETHOUGHT, *ALGORITHMS)


def run(
    out: Path,
    seeds: Sequence[int] | None = None,
    worlds: Sequence[str] = (),
    agents: Sequence[str] = (),
    known: Sequence[ControlWorld] = tuple(CONTROL_WORLDS.values()),
    every: Sequence[str] = AGENTS,
    name: str = NAME,
    executor: Executor | None = None,
) -> Path:
    """Measure the units that are not measured yet, then write the rows of all that are in `out`; returns the result file.

    Args:
        out: folder; the units are in `OUT/NAME`. seeds: of the trainings; None: five. worlds: names in `known`; none: all.
        agents: of `every`; none: all. An agent that has not a world's kind of actions is left out there.
        known, every, name: the worlds and agents of the benchmark, and its name. executor: where the units are measured; None:
            one after the other. Units that run side by side have the same returns, and other seconds.

    Raises:
        ForethoughtError: no such world or agent, Stable-Baselines3 is missing, or a unit failed; the others are measured.
    """
    named = {world.name: world for world in known}
    require_known(name, "world", worlds, named)
    require_known(name, "agent", agents, every)
    chosen, acting, folder = worlds or tuple(named), agents or every, out / name
    # Seed by seed, so that an interrupted benchmark has all agents.
    units = [ControlUnit(named[world], agent, seed) for seed in seeds or SEEDS for world in chosen for agent in acting]
    missing = [unit for unit in units if unit.applies and unit.found(folder) is None]
    if any(unit.agent in ALGORITHMS for unit in missing):
        require_baselines()
    failures = list[str]()
    runs = [MeasuredUnit(unit, folder.absolute()) for unit in missing]
    for number, (run, failure) in enumerate(run_units(executor or InProcess(), runs), start=1):
        log.info("%d of %d: %s", number, len(missing), run.name)
        if failure:
            log.warning("%s", failure)
            failures.append(failure)
        _write(out, known, every, name)
    if failures:
        raise ForethoughtError(f"{len(failures)} of {len(missing)} units failed, the others are measured. {' '.join(failures)}")
    return _write(out, known, every, name)


@dataclass(frozen=True)
class MeasuredUnit:
    """A unit of the benchmark as one of an executor. `folder`: of all units, the same on every machine."""

    unit: ControlUnit
    folder: Path

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.unit.agent} in {self.unit.world.name}, seed {self.unit.seed}"

    def run(self, emit: Emit) -> str:
        """Measure it; returns why it failed, or nothing."""
        try:
            self.unit.measure(self.folder)
        except ForethoughtError as error:
            return str(error)
        return ""


def _write(out: Path, known: Sequence[ControlWorld], every: Sequence[str], name: str) -> Path:
    return write_results(out, name, control_rows(list(finished(out / name, known, every)), out / name))


def finished(folder: Path, known: Sequence[ControlWorld], every: Sequence[str] = AGENTS) -> Iterator[ControlUnit]:
    """The units in a folder that are measured as the benchmark is now, in the order of worlds, agents and seeds."""
    for world in known:
        for agent in every:
            kept = ControlUnit(world, agent, 0).folder(folder).parent.glob("*")
            seeds = (re.fullmatch(r"seed-(\d+)", path.name) for path in kept)
            for seed in sorted(int(match[1]) for match in seeds if match):
                unit = ControlUnit(world, agent, seed)
                if unit.applies and unit.found(folder) is not None:
                    yield unit
