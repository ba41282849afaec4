"""Part `contention`: two runs in one folder at once, and clocks that jump."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from forethought_benchmarks.reliability.outcomes import FAULT, RESULT, Outcome, OutcomeCounts
from forethought_benchmarks.reliability.sandbox import Sandbox, fresh_folder
from forethought_benchmarks.reliability.subjects import EPISODES, OPTIONS, WORLD

JUMPS = {"an hour back": -3600.0, "a day ahead": 86_400.0, "to 1970": -1.7e9}
FIRST_READING = 10
"""Reading of the clock at which it jumps, for good."""
ROUNDS = 20
"""Pairs of processes for each work; the second starts a little later each time."""


def contended(work: dict[str, str], delay: float, resume: bool) -> str:
    """In a child: the work in a folder that another process may be writing."""
    from forethought_benchmarks.reliability.subjects import WORKS

    time.sleep(delay)
    subject = WORKS[work["name"]](Path(work["folder"]), Path(work["store"]), Path(work["run"]))
    if resume:
        subject.resume()
    else:
        subject.do()
    return subject.digest()


def jumping(work: dict[str, str], clock: str, jump: float, workers: int) -> str:
    """In a child: the work while a clock jumps once."""
    from forethought.data.collection import collect
    from forethought_benchmarks.reliability.subjects import WORKS, digest_of

    plain: Callable[[], float] = getattr(time, clock)
    readings = itertools.count()
    setattr(time, clock, lambda: plain() + (jump if next(readings) >= FIRST_READING else 0.0))
    folder = Path(work["folder"])
    if workers:
        collect(WORLD, out=folder, episodes=EPISODES, options=OPTIONS, workers=workers, progress=False)
        return digest_of(folder)
    subject = WORKS[work["name"]](folder, Path(work["store"]), Path(work["run"]))
    subject.prepare()
    subject.do()
    return subject.digest()


def run_part(part: str, out: Path, every: int = 1) -> list[OutcomeCounts]:
    """Two runs at once, then clocks. `every`: that share of the rounds; 1 is all."""
    folder = fresh_folder(out / part)
    with Sandbox(folder / "first.log") as one, Sandbox(folder / "second.log") as two:
        store, run = one.run("make", seconds=600, out=str(out)).outcome.value
        tallies = []
        for name in ("collection", "training"):
            work = {"name": name, "folder": str(folder / "whole"), "store": store, "run": run}
            whole = one.run("reference", work=work).outcome.value
            tally = OutcomeCounts(part, f"two at once, {name}")
            for number in range(max(1, ROUNDS // every)):
                _pair((one, two), work | {"folder": str(folder / f"{name}-{number}")}, number, whole, tally)
            tallies.append(tally)
        return [*tallies, *_clocks(part, one, folder, store, run)]


def _pair(boxes: tuple[Sandbox, Sandbox], work: dict[str, str], number: int, whole: str, tally: OutcomeCounts) -> None:
    """Two processes in one folder; afterwards it holds what one of them alone would have made."""
    resume, delay = bool(number % 2), 0.01 * number
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(partial(box.run, "contended", work=work, delay=delay * index, resume=resume))
            for index, box in enumerate(boxes)
        ]
        outcomes = [future.result().outcome for future in both]
    for outcome in outcomes:
        wrong = outcome.kind == RESULT and outcome.value != whole
        tally.add(Outcome(FAULT, "another result than alone") if wrong else outcome, f"round {number}")
    if all(outcome.kind != RESULT for outcome in outcomes):
        tally.add(Outcome(FAULT, "neither of the two ended: " + outcomes[0].text), f"round {number}")
    after = boxes[0].run("afterwards", work=work).outcome
    resumed = after.value["resumed"]["value"] if after.kind == RESULT else after.text
    tally.add(
        Outcome(RESULT) if resumed == whole else Outcome(FAULT, f"what is left differs: {resumed}"), f"after round {number}"
    )


def _clocks(part: str, box: Sandbox, folder: Path, store: str, run: str) -> list[OutcomeCounts]:
    tallies = []
    for clock in ("time", "monotonic", "perf_counter"):
        tally = OutcomeCounts(part, f"time.{clock} jumps")
        for name, workers in (("collection", 0), ("collection", 1), ("training", 0), ("evaluation", 0)):
            work = {"name": name, "folder": str(folder / "clock"), "store": store, "run": run}
            whole = box.run("reference", work=work).outcome.value
            for words, jump in JUMPS.items():
                shutil.rmtree(folder / "clock", ignore_errors=True)
                outcome = box.run("jumping", work=work, clock=clock, jump=jump, workers=workers).outcome
                if outcome.kind == RESULT and outcome.value != whole:
                    outcome = Outcome(FAULT, "another result than without a jump")
                tally.add(outcome, f"{name} with {workers} workers, {words}")
        tallies.append(tally)
    return tallies
