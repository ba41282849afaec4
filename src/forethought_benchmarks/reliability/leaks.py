"""Part `leaks`: processes, file descriptors, threads and memory before and after many collections and decisions."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forethought.data.collection import collect
from forethought.training.agent_files import load
from forethought.types import Task
from forethought_benchmarks.reliability.outcomes import FAULT, RESULT, Outcome, OutcomeCounts
from forethought_benchmarks.reliability.sandbox import Sandbox, fresh_folder, over
from forethought_benchmarks.reliability.subjects import OPTIONS, WORLD

GROWTH_MIB = 64.0
"""Memory that may be added after the first tenth; below it are caches and fragments."""
COUNTS = {"collections in process": 950, "collections with workers": 50, "decisions": 10_000}


def state_of_process() -> dict[str, float]:
    """Open descriptors, child processes, threads, tensors and resident MiB of this process."""
    gc.collect()
    # Walks the heap; nothing else may hold a tensor that a decision made.
    tensors = sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())
    children = sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "descriptors": len(os.listdir("/proc/self/fd")), "processes": children, "threads": threading.active_count(),
        "tensors": tensors, "mib": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
    }  # fmt: skip


def leaks(subject: str, count: int, run: str) -> list[dict[str, float]]:
    """In a child: the state of the process after a tenth of the work and after all of it."""
    if subject == "decisions":
        agent = load(run, "cpu")
        streams = agent.configuration.data.streams
        seen = {stream.name: np.full(stream.shape, 1, np.uint8 if stream.kind == "image" else np.float32) for stream in streams}

        def one(number: int) -> None:
            if number % 100 == 0:
                agent.reset(Task.reach(seen), seed=number)
            agent.decide(seen, "plan" if number % 2 else "react")
    else:
        workers = int(subject == "collections with workers")

        def one(number: int) -> None:
            with tempfile.TemporaryDirectory() as folder:
                made = Path(folder) / "store"
                store = collect(WORLD, out=made, episodes=2, seed=number, options=OPTIONS, workers=workers, progress=False)
                store.rows("pixels", store.rows_of(store.train))

    states = []
    for number in range(count):
        one(number)
        # An even number: the last decision, which the agent keeps, is then of the same mode both times.
        if number + 1 in (2 * max(1, count // 20), count):
            states.append(state_of_process())
    return states


def run_part(part: str, out: Path, every: int = 1) -> list[OutcomeCounts]:
    """Compare. `every`: that share of `COUNTS`; 1 is all. A row has what was there before and after."""
    folder = fresh_folder(out / part)
    with Sandbox(folder / "first.log") as one, Sandbox(folder / "second.log") as two:
        _, run = one.run("make", seconds=600, out=str(out)).outcome.value

        def measure(box: Sandbox, subject: str) -> OutcomeCounts:
            count = 2 * max(2, COUNTS[subject] // every // 2)
            outcome = box.run("leaks", seconds=3600, subject=subject, count=count, run=run).outcome
            tally = OutcomeCounts(part, subject)
            if outcome.kind != RESULT:
                tally.add(outcome if outcome.kind == FAULT else Outcome(FAULT, outcome.text), "the whole")
                return tally
            before, after = outcome.value[0], outcome.value[-1]
            tally.results, tally.more = count, _figures(before, after)
            for name in ("descriptors", "processes", "threads", "tensors"):
                if after[name] > before[name]:
                    tally.faults.append(f"{name}: {before[name]} before, {after[name]} after")
            if after["mib"] - before["mib"] > GROWTH_MIB:
                tally.faults.append(f"memory: {before['mib']:.0f} MiB before, {after['mib']:.0f} MiB after")
            return tally

        return over([one, two], measure, ["decisions", "collections with workers", "collections in process"])


def _figures(before: dict[str, float], after: dict[str, float]) -> dict[str, Any]:
    added = {f"added_{name}": after[name] - before[name] for name in ("descriptors", "processes", "threads", "tensors")}
    return added | {"added_mib": round(after["mib"] - before["mib"], 1)}
