"""Injected faults: Ray processes that are killed, nodes that are removed, drivers that are killed, object stores that are full.

Each fault meets a collection or an evaluation at a random moment. Afterwards the store must be equal in every byte, or the
outcomes in every bit, to those of this process alone.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from forethought.atomic_io import make_folder
from forethought.data.collection import collect
from forethought.errors import ForethoughtError
from forethought.evaluation.arena import make_arena
from forethought.evaluation.episodes import ScriptedController
from forethought.evaluation.result_rows import row
from forethought.execution import Executor, InProcess, RayCluster
from forethought.worlds import registry
from forethought_benchmarks.scaling.local_cluster import OBJECT_STORE, add_node, local_cluster, raylet_of
from forethought_benchmarks.scaling.throughput import WORLD

log = logging.getLogger(__name__)
Figures = dict[str, str]
"""What a job has made: name -> digest."""
COLLECTED: Mapping[str, Any] = MappingProxyType(
    {"episodes": 640, "seed": 5, "options": {"max_steps": 50}, "policy": "mixed", "progress": False}
)
TASKS, WORKERS, LATEST = 240, 2, 2.0
"""Tasks of an evaluation; workers of a job; seconds from its first sign of work to the latest fault."""


def collected(out: Path, executor: Executor | None) -> Figures:
    """A collection, by two nodes or, without an executor, in this process: the digest of each file of the store."""
    where: dict[str, Any] = {"workers": 0} if executor is None else {"workers": executor.workers, "cluster": "auto"}
    collect(WORLD, out=out, resume=True, **COLLECTED, **where)
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def evaluated(out: Path, executor: Executor | None) -> Figures:
    """The outcomes of the scripted expert in each task."""
    arena = make_arena(WORLD, {}, TASKS, None, executor or InProcess())
    outcomes = asdict(arena.run(ScriptedController(registry.policy(WORLD, "expert"))))
    outcomes.pop("seconds")
    content = {
        name: value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode() for name, value in outcomes.items()
    }
    return {name: hashlib.sha256(value).hexdigest() for name, value in content.items()}


JOBS: Mapping[str, Callable[[Path, Executor | None], Figures]] = MappingProxyType({"collect": collected, "evaluate": evaluated})


class TimedFault:
    """A fault that waits for its moment while a job runs.

    Attributes: happened: whether it met the job.
    """

    def __init__(self, cluster: Any, strike: Callable[[], bool], delay: float) -> None:
        """`strike`: does it, and returns whether there was something to meet; it is tried until it is. delay: seconds."""
        self.happened, self._over = False, threading.Event()
        self._strike, self._delay, self._cluster = strike, delay, cluster
        self._thread = threading.Thread(target=self._wait, daemon=True)

    def __enter__(self) -> TimedFault:
        self._thread.start()
        return self

    def _wait(self) -> None:
        while not carriers(self._cluster) and not self._over.wait(0.02):
            pass
        self._over.wait(self._delay)
        while not self._over.is_set():
            if self._strike():
                self.happened = True
                return
            self._over.wait(0.02)

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()


def carriers(cluster: Any) -> list[int]:
    """The Ray processes that carry a worker program on the nodes of a cluster, by the process table."""
    raylets = {raylet_of(node) for node in cluster.list_all_nodes()}
    return [host for host in map(_parent, _programs()) if host is not None and _parent(host) in raylets]


def _programs() -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"forethought.execution.worker_program" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended
    return found


def _parent(process: int) -> int | None:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def kill_a_carrier(cluster: Any, chance: random.Random) -> bool:
    """Kill one of the Ray processes that work for the job."""
    found = carriers(cluster)
    if found:
        os.kill(chance.choice(found), signal.SIGKILL)
    return bool(found)


def remove(cluster: Any, node: Any, chance: random.Random) -> bool:
    """Remove a node that works."""
    raylet = raylet_of(node)
    if raylet not in map(_parent, carriers(cluster)):
        return False
    cluster.remove_node(node, allow_graceful=False)
    return True


def meet_a_worker_killed(cluster: Any, job: str, out: Path, chance: random.Random) -> tuple[Figures, bool]:
    """A Ray process is killed while a job runs."""
    with TimedFault(cluster, partial(kill_a_carrier, cluster, chance), chance.uniform(0, LATEST)) as fault:
        figures = JOBS[job](out, RayCluster("auto", WORKERS))
    return figures, fault.happened


def meet_a_node_removed(cluster: Any, job: str, out: Path, chance: random.Random) -> tuple[Figures, bool]:
    """A third node joins, and is removed while a job runs."""
    third = add_node(cluster)
    with TimedFault(cluster, partial(remove, cluster, third, chance), chance.uniform(0, LATEST)) as fault:
        figures = JOBS[job](out, RayCluster("auto", WORKERS + 2))
    if not fault.happened:
        cluster.remove_node(third)
    return figures, fault.happened


def meet_a_driver_killed(cluster: Any, job: str, out: Path, chance: random.Random) -> tuple[Figures, bool]:
    """The process that asked for the job is killed; then the job is asked for again, and goes on with what it had."""
    script = f"from forethought_benchmarks.scaling.faults import ask; ask({job!r}, {str(out)!r})"
    driver = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    with TimedFault(cluster, lambda: _killed(driver), chance.uniform(0, LATEST)) as fault:
        driver.wait()
    if driver.returncode not in (0, -signal.SIGKILL):
        raise ForethoughtError(f"the driver ended with {driver.returncode}; see above why.")
    return JOBS[job](out, RayCluster("auto", WORKERS)), fault.happened and driver.returncode != 0


def _killed(driver: subprocess.Popen[bytes]) -> bool:
    driver.kill()
    return True


def ask(job: str, out: str) -> None:
    """Do a job as a driver of its own."""
    JOBS[job](Path(out), RayCluster("auto", WORKERS))


@contextmanager
def full_object_store() -> Iterator[int]:
    """Objects that nobody may drop fill the driver's object store; yields the bytes that are pinned."""
    ray = importlib.import_module("ray")
    size = OBJECT_STORE // 20
    pinned = [ray.get(ray.put(np.zeros(size, np.uint8))) for _ in range(19)]
    yield len(pinned) * size
    del pinned


def meet_a_full_object_store(cluster: Any, job: str, out: Path, chance: random.Random) -> tuple[Figures, bool]:
    """The object store of the driver's node is full from the beginning to the end of a job."""
    executor = RayCluster("auto", WORKERS)
    with full_object_store() as pinned:
        return JOBS[job](out, executor), pinned > 0.9 * OBJECT_STORE


FAULTS: Mapping[str, Callable[[Any, str, Path, random.Random], tuple[Figures, bool]]] = MappingProxyType(
    {
        "ray worker killed": meet_a_worker_killed,
        "node removed": meet_a_node_removed,
        "driver killed": meet_a_driver_killed,
        "object store full": meet_a_full_object_store,
    }
)


def injected(out: Path, each: int) -> Iterator[dict[str, Any]]:
    """`each` faults of each kind; a row for each kind: how many there were, and how many of them lost or changed something."""
    shutil.rmtree(out, ignore_errors=True)  # of a benchmark that was broken off
    make_folder(out)
    expected = {job: make(out / f"expected-{job}", None) for job, make in JOBS.items()}
    chance = random.Random(0)  # noqa: S311
    with local_cluster() as cluster:
        for kind, meet in FAULTS.items():
            met = wrong = tried = 0
            begun = time.monotonic()
            while met < each and tried < 5 * each:
                job, folder = ("collect", "evaluate")[tried % 2], out / f"{kind.replace(' ', '-')}-{tried}"
                figures, happened = meet(cluster, job, folder, chance)
                differing = sorted(name for name in expected[job] | figures if expected[job].get(name) != figures.get(name))
                if differing:
                    log.warning("%s, %s: %s differ", kind, job, shlex.join(differing))
                met, wrong, tried = met + happened, wrong + bool(differing), tried + 1
                shutil.rmtree(folder, ignore_errors=True)
                log.info("%s: %d of %d (%s), %d wrong, %.0f s", kind, met, each, job, wrong, time.monotonic() - begun)
            named = {"executor": "ray, 2 nodes", "workers": WORKERS, "faults": met}
            yield row("faults", kind, "wrong_results", wrong, n=met) | named
