"""Benchmarks by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from forethought.errors import ForethoughtError, did_you_mean
from forethought.evaluation.result_rows import write_results
from forethought.execution import Executor
from forethought_benchmarks import (
    adapter_speed,
    budgets,
    collapse,
    energy,
    external_envs,
    gpu,
    hierarchy,
    interval_coverage,
    lean_install,
    rooms_random_doors,
)
from forethought_benchmarks.control import protocol as control
from forethought_benchmarks.drives import protocol as drives
from forethought_benchmarks.memory import protocol as memory
from forethought_benchmarks.planner_throughput import planner_throughput
from forethought_benchmarks.reconstruction_baselines import protocol as generative
from forethought_benchmarks.reliability import protocol as reliability
from forethought_benchmarks.scale import protocol as scale
from forethought_benchmarks.scaling import protocol as scaling
from forethought_benchmarks.side_by_side import protocol as side_by_side
from forethought_benchmarks.standard import protocol as standard
from forethought_benchmarks.stochastic_prediction import protocol as futures

Runner = Callable[[Path, Sequence[int] | None], Path]


def _throughput(out: Path, seeds: Sequence[int] | None) -> Path:
    return write_results(out, "planner-throughput", planner_throughput())


BENCHMARKS: Mapping[str, Runner] = MappingProxyType(
    {
        rooms_random_doors.NAME: rooms_random_doors.run,
        rooms_random_doors.ABLATION_NAME: rooms_random_doors.run_ablation,
        external_envs.POINTMAZE.name: external_envs.POINTMAZE.run,
        external_envs.PUSH_T.name: external_envs.PUSH_T.run,
        hierarchy.NAME: hierarchy.run,
        energy.NAME: energy.run,
        futures.NAME: futures.run,
        collapse.NAME: collapse.run,
        generative.NAME: generative.run,
        "planner-throughput": _throughput,
        budgets.NAME: budgets.run,
        adapter_speed.NAME: lambda out, seeds: adapter_speed.run(out),
        interval_coverage.NAME: interval_coverage.run,
        lean_install.NAME: lambda out, seeds: lean_install.run(out),
        control.NAME: control.run,
        memory.NAME: memory.run,
        drives.NAME: drives.run,
        standard.NAME: standard.run,
        scale.NAME: lambda out, seeds: scale.run(out),
        reliability.NAME: lambda out, seeds: reliability.run(out),
        scaling.NAME: lambda out, seeds: scaling.run(out),
        gpu.NAME: lambda out, seeds: gpu.run(out),
        side_by_side.NAME: lambda out, seeds: side_by_side.run(out, None),
    }
)
"""Every benchmark: (folder, training seeds or None for the protocol's) -> the result file."""


def names() -> list[str]:
    """All benchmarks."""
    return sorted(BENCHMARKS)


def run(
    name: str,
    out: Path | str,
    seeds: Sequence[int] | None = None,
    parts: Sequence[str] = (),
    worlds: Sequence[str] = (),
    agents: Sequence[str] = (),
    executor: Executor | None = None,
    peers: Path | None = None,
) -> Path:
    """Run one by its protocol; what is on disk in `out` already is not run again.

    `parts`: of `reliability`, `scaling` and `side-by-side`, which alone have parts; none: all. `worlds`, `agents`: of
    `control`, `memory`, `drives` and `standard`; `executor`: where their units are measured; None: one after the other.
    `peers`: of `side-by-side` alone, which has `worlds` too: the folder of the checkouts of other libraries.

    Raises:
        ForethoughtError: no such benchmark, or it has no such part, world, agent, or units.
    """
    if name not in BENCHMARKS:
        raise ForethoughtError(f"There is no benchmark '{name}': {did_you_mean(name, BENCHMARKS)}")
    if name == side_by_side.NAME and not agents and executor is None:
        return side_by_side.run(Path(out), peers, parts, worlds)
    if peers is not None:
        raise ForethoughtError(f"The benchmark '{name}' compares no checkouts: leave out --peers.")
    of_parts: Mapping[str, Callable[[Path, Sequence[str]], Path]] = {
        reliability.NAME: reliability.run,
        scaling.NAME: scaling.run,
    }
    if parts and name not in of_parts:
        raise ForethoughtError(f"The benchmark '{name}' has no parts: leave out --part.")
    of_worlds: Mapping[str, Callable[..., Path]] = {module.NAME: module.run for module in (control, memory, drives, standard)}
    if (worlds or agents) and name not in of_worlds:
        raise ForethoughtError(f"The benchmark '{name}' has one set of worlds and agents: leave out --worlds and --agents.")
    if executor is not None and name not in of_worlds:
        raise ForethoughtError(
            f"The benchmark '{name}' has no units that run apart: leave out --workers and --cluster ({', '.join(of_worlds)} "
            "have such units)."
        )
    if name in of_worlds:
        return of_worlds[name](Path(out), seeds, worlds, agents, executor=executor)
    return of_parts[name](Path(out), parts) if parts else BENCHMARKS[name](Path(out), seeds)
