"""Whether budgets are kept: trainings of so many seconds beside a busy process, and decisions of so many milliseconds.

Each row is the share of runs that kept their budget: a training ends within 5 % of its seconds, and the 95th percentile of a
series of decisions is within its milliseconds.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forethought.agent import Agent
from forethought.configurator import Budget
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.result_rows import row, write_results
from forethought.evaluation.statistics import wilson
from forethought.training.agent_files import load
from forethought.training.record import training_record
from forethought.training.train import train
from forethought.types import Task

log = logging.getLogger(__name__)
NAME, WORLD = "budgets", "forethought/Rooms-v0"
OPTIONS: dict[str, Any] = {"layout": "four", "doors": "fixed"}
OVERRUN, PERCENTILE = 1.05, 95
BUSY = "while True: pass"


@dataclass(frozen=True)
class BudgetProtocol:
    """What is run.

    Fields:
        runs: trainings, and series of decisions for each deadline. seconds: of a training. busy: processes beside it.
        deadlines: milliseconds. decisions: in a series, of which the first `warm_up` don't count. episodes: in the store.
    """

    runs: int = 20
    seconds: float = 60.0
    busy: int = 1
    deadlines: tuple[float, ...] = (10.0, 20.0, 30.0)
    decisions: int = 100
    warm_up: int = 5
    episodes: int = 400


def run(out: Path, seeds: Sequence[int] | None = None, protocol: BudgetProtocol | None = None) -> Path:
    """Run the protocol; `seeds` are those of the trainings, one a run. Returns the result file."""
    chosen = protocol or BudgetProtocol()
    store = collect(WORLD, out=out / "store", episodes=chosen.episodes, seed=0, options=OPTIONS, workers=0, resume=True)
    with busy_processes(chosen.busy):
        rows, folders = _trainings(out, store, chosen, seeds or range(chosen.runs))
    flat = load(folders[0])
    rows += _decisions("flat", flat_agent(flat), store, chosen)
    rows += _decisions("levels", flat, store, chosen)
    return write_results(out, NAME, rows)


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Processes that use a core each, and end with the block."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def flat_agent(agent: Agent) -> Agent:
    """The agent with level 1 alone."""
    flat = agent.configuration.changed({"planner": {"upper": {"max_levels": 1}}}, "planned at level 1 alone")
    return Agent(flat, agent.modules, agent.device)


def _trainings(
    out: Path, store: EpisodeStore, protocol: BudgetProtocol, seeds: Sequence[int]
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Train once a seed; a run that is on disk is not trained again."""
    folders, ratios = [out / f"train-{protocol.seconds:g}-{seed}" for seed in seeds], list[float]()
    for folder, seed in zip(folders, seeds, strict=True):
        if not (folder / "agent").is_dir():
            if folder.exists():
                raise ForethoughtError(f"{folder} holds an unfinished run, whose time can't be measured: remove it first.")
            train(store, out=folder, seed=seed, budget=Budget(seconds=protocol.seconds))
        budget = training_record(folder)["budget"]
        ratios.append(budget["elapsed"] / budget["seconds"])
        log.info("Training %d: %.1f of %g s.", seed, budget["elapsed"], protocol.seconds)
    name = f"train {protocol.seconds:g} s beside {protocol.busy} busy"
    return [
        *_kept(name, [ratio <= OVERRUN for ratio in ratios]),
        _figure(name, "largest_share_of_budget", max(ratios)),
    ], folders


def _decisions(name: str, agent: Agent, store: EpisodeStore, protocol: BudgetProtocol) -> list[dict[str, Any]]:
    """Series of decisions with each deadline, each with a new agent, which knows nothing of the machine's speed."""
    rows: list[dict[str, Any]] = []
    for deadline in protocol.deadlines:
        percentiles, fell_back, iterations = list[float](), list[bool](), list[int]()
        for series in range(protocol.runs):
            made = Agent(agent.configuration, agent.modules, agent.device)
            times = []
            for decision, milliseconds in _series(made, store, deadline, protocol, series):
                times.append(milliseconds)
                fell_back.append(decision.fell_back)
                iterations.append(decision.iterations[0])
            percentiles.append(float(np.percentile(times, PERCENTILE)))
        label = f"{name}, {deadline:g} ms"
        rows += _kept(label, [value <= deadline for value in percentiles])
        rows += [
            _figure(label, "largest_p95_ms", max(percentiles)),
            _figure(label, "fallback_share", float(np.mean(fell_back))),
            _figure(label, "iterations", float(np.mean(iterations))),
        ]
    return rows


def _series(
    agent: Agent, store: EpisodeStore, deadline: float, protocol: BudgetProtocol, seed: int
) -> Iterator[tuple[Any, float]]:
    """The timing and the milliseconds of each decision of a series, on the rows of a held-out episode."""
    episode = int(store.heldout[seed % len(store.heldout)])
    rows = store.rows_of(np.array([episode]), whole=True)
    seen = {stream.name: store.rows(stream.name, rows) for stream in store.spec.streams}
    agent.reset(Task.reach({name: values[-1] for name, values in seen.items()}), seed=seed)
    for number in range(protocol.decisions):
        observation = {name: values[number % len(rows)] for name, values in seen.items()}
        started = time.perf_counter()
        timing = agent.decide(observation, "plan", deadline_ms=deadline).timing
        milliseconds = 1000 * (time.perf_counter() - started)
        if number >= protocol.warm_up:
            yield timing, milliseconds


def _kept(name: str, kept: Sequence[bool]) -> list[dict[str, Any]]:
    low, high = wilson(sum(kept), len(kept))
    return [row(WORLD, name, "budget_kept", sum(kept) / len(kept), low=low, high=high, n=len(kept), device="cpu")]


def _figure(name: str, metric: str, value: float) -> dict[str, Any]:
    return row(WORLD, name, metric, value, device="cpu")
