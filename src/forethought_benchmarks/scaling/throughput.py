"""Units per second of each executor, for units that sleep and for the real ones."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from forethought.data.collection import collect
from forethought.data.recorder import Job
from forethought.data.shard_units import ShardUnit
from forethought.data.store_format import Recipe
from forethought.data.writer import StoreWriter
from forethought.evaluation.arena import make_arena
from forethought.evaluation.episodes import AgentController
from forethought.evaluation.result_rows import today
from forethought.evaluation.task_units import TASKS_IN_UNIT, TaskUnit
from forethought.execution import Emit, Executor, InProcess, Processes, RayCluster, Unit
from forethought.training.train import train
from forethought.worlds import registry
from forethought_benchmarks.scaling.local_cluster import local_cluster

log = logging.getLogger(__name__)
WORLD = "forethought/Rooms-v0"
HARDLY_TRAINED: Mapping[str, Any] = {
    **{f"training.{phase}_steps": 10 for phase in ("world_model", "predictor", "rollout", "critic", "policy")},
    "planner.search.num_samples": 64,
    "planner.search.num_iterations": 2,
}
PROCESSES, RAY = "processes", "ray, 2 nodes"


@dataclass(frozen=True)
class ScalingProtocol:
    """What is measured.

    Fields:
        sleepers: numbers of workers that sleep. seconds: that a unit sleeps. rounds: units of each worker.
        real: numbers of workers that compute. shards, tasks: units of a collection and of an evaluation, in each worker.
        faults: injected faults of each kind.
    """

    sleepers: Sequence[int] = (1, 2, 4, 8, 16, 32, 64)
    seconds: float = 0.5
    rounds: int = 10
    real: Sequence[int] = (1, 2)
    shards: int = 20
    tasks: int = 4
    faults: int = 10


@dataclass(frozen=True)
class Sleep:
    """A unit that sleeps in place of computing."""

    number: int
    seconds: float

    @property
    def name(self) -> str:
        """For messages."""
        return f"sleep {self.number}"

    def run(self, emit: Emit) -> None:
        """Sleep."""
        emit(None)
        time.sleep(self.seconds)


@dataclass(frozen=True)
class Muster:
    """A unit that waits until as many workers as there are have begun one, so that the measurement begins with all of them."""

    POLL: ClassVar[float] = 0.02
    folder: Path
    number: int
    workers: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"muster {self.number}"

    def run(self, emit: Emit) -> None:
        """Wait for the others."""
        (self.folder / str(self.number)).touch()
        while len(list(self.folder.iterdir())) < self.workers:
            emit(None)
            time.sleep(self.POLL)


def units_per_second(executor: Executor, warm_up: Sequence[Unit], units: Sequence[Unit], folder: Path) -> float:
    """How fast all workers together do `units`, after all have started and have done one unit of `warm_up` each."""
    folder.mkdir(parents=True)
    with executor.open(lambda unit, message: None) as crew:
        # The imports of the first unit count as its start.
        for group in ([Muster(folder, number, executor.workers) for number in range(executor.workers)], warm_up, units):
            begun = time.perf_counter()
            for unit in group:
                crew.add(unit)
            for outcome in crew:
                assert not outcome.lost, outcome.lost
        seconds = time.perf_counter() - begun
    shutil.rmtree(folder)
    return len(units) / seconds


def scaling_row(
    world: str, executor: str, workers: int, rate: float, ideal: float, units: int, faults: int | None = None
) -> dict[str, Any]:
    """One row; `ideal`: units per second of one worker without any overhead."""
    log.info("%s, %s, %d workers: %.3g units a second, efficiency %.3f", world, executor, workers, rate, rate / ideal / workers)
    return {
        "world": world, "agent": f"{executor}, {workers}", "metric": "units_per_second", "value": rate,
        "executor": executor, "workers": workers, "units_per_second": rate, "efficiency": rate / ideal / workers,
        "faults": faults, "n": units, "device": "cpu", "date": today(),
    }  # fmt: skip


def _executors(workers: int) -> Iterator[tuple[str, Callable[[], Executor]]]:
    yield PROCESSES, lambda: Processes(workers)
    yield RAY, lambda: RayCluster("auto", workers)


def sleeping(out: Path, protocol: ScalingProtocol) -> list[dict[str, Any]]:
    """Workers that sleep: what is lost is the driver's overhead. Ray's are on a cluster of two nodes of this machine."""
    rows = []
    with local_cluster(-(-max(protocol.sleepers) // 2)):
        for workers in protocol.sleepers:
            for name, make in _executors(workers):
                count = workers * protocol.rounds
                units = [Sleep(number, protocol.seconds) for number in range(count)]
                rate = units_per_second(make(), [], units, out / f"muster-{os.getpid()}")
                rows.append(scaling_row(f"sleeps {protocol.seconds:g} s", name, workers, rate, 1 / protocol.seconds, count))
    return rows


def computing(out: Path, protocol: ScalingProtocol) -> list[dict[str, Any]]:
    """Shards of a collection and tasks of an evaluation, on this machine's cores; efficiency is against one process."""
    rows = list[dict[str, Any]]()
    with local_cluster(max(protocol.real)):
        for world, make_units, each in (
            ("collect Rooms", _shards, protocol.shards),
            ("evaluate Rooms", _tasks, protocol.tasks),
        ):
            alone = 0.0
            for workers in protocol.real:
                for name, make in (("in process", InProcess), *_executors(workers)):
                    if workers > 1 and name == "in process":
                        continue
                    executor, folder = make(), out / f"{name.split(',')[0]}-{workers}-{os.getpid()}"
                    units = make_units(folder, (each + 1) * workers)
                    rate = units_per_second(executor, units[:workers], units[workers:], out / f"muster-{os.getpid()}")
                    alone = alone or rate
                    rows.append(scaling_row(world, name, workers, rate, alone, each * workers))
                    shutil.rmtree(folder, ignore_errors=True)
    return rows


def _shards(folder: Path, count: int) -> list[Unit]:
    """Shards of 64 episodes of Rooms, of a store that is begun in `folder`."""
    options = {"max_steps": 200}
    world = registry.make(WORLD, 1, **options)
    world.close()
    asked = {"world": WORLD, "options": options, "policy": "mixed", "seed": 0, "episodes": 64 * count}
    recipe = Recipe(world.spec, world.spec.block, 0.1, asked)
    StoreWriter(folder, recipe.spec, recipe.block, recipe.asked, recipe.held_out)
    return [ShardUnit(Job.read(folder.absolute()), shard) for shard in range(count)]


def _tasks(folder: Path, count: int) -> list[Unit]:
    """Tasks of Rooms for an agent that plans, 16 in a unit; what it has learned does not matter here."""
    store = collect(WORLD, out=folder / "store", episodes=64, workers=0, progress=False)
    agent = train(store, out=folder / "run", config=HARDLY_TRAINED)
    arena = make_arena(WORLD, store.spec.options, TASKS_IN_UNIT * count)
    whole = TaskUnit(WORLD, arena.options, arena.tasks, arena.goals, 0, AgentController(agent, "plan"))
    return list(whole.parts(TASKS_IN_UNIT))
