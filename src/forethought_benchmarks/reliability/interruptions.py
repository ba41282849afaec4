"""Parts `kill` and `disk`: a fault at each file operation of collection, training, publication and evaluation."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from forethought.atomic_io import verify_folder
from forethought.errors import ForethoughtError
from forethought_benchmarks.reliability.file_faults import Fault, operations, saved_in
from forethought_benchmarks.reliability.outcomes import FAULT, RESULT, SENTENCE, Outcome, OutcomeCounts
from forethought_benchmarks.reliability.sandbox import Ended, Sandbox, fresh_folder, over
from forethought_benchmarks.reliability.subjects import WORKS

NAMES = {"kill": "kill -9", "torn": "kill -9 with half a file written", "full": "full disk", "read-only": "read-only folder"}


@dataclass(frozen=True)
class Interrupted:
    """What is interrupted. Fields: work: its name; folder: of the attempts; store, run; digest: of the result."""

    work: str
    folder: Path
    store: Path
    run: Path
    digest: str = ""

    def arguments(self, name: str) -> dict[str, str]:
        """Of the task, for the attempt called `name`."""
        return {"name": self.work, "folder": str(self.folder / name), "store": str(self.store), "run": str(self.run)}


def run_part(part: str, kinds: Sequence[str], out: Path, every: int = 1) -> list[OutcomeCounts]:
    """Interrupt all four works at each `every`-th operation.

    Args:
        part: name in the rows. kinds: of faults, see `file_faults.Fault`. out: folder of the campaign. every: 1 is all.
    """
    folder = fresh_folder(out / part)
    with Sandbox(folder / "first.log") as one, Sandbox(folder / "second.log") as two:
        made = one.run("make", seconds=600, out=str(out)).outcome
        if made.kind != RESULT:
            raise ForethoughtError(f"The campaign's own store and run could not be made: {made.text}")
        store, run = map(Path, made.value)
        tallies = []
        for work in WORKS:
            first = Interrupted(work, folder, store, run)
            plan = Interrupted(work, folder, store, run, one.run("reference", work=first.arguments("whole")).outcome.value)
            journal = folder / f"{work}.operations"
            one.run("interrupted", work=plan.arguments("counted"), journal=str(journal), kind="none", at=0)
            done = operations(journal)
            for kind in kinds:
                faults = [Fault(kind, at) for at in range(1, len(done) + 1) if kind != "torn" or done[at - 1][0] == "fsync"]
                tally = OutcomeCounts(part, f"{NAMES[kind]}, {work}")
                found = over([one, two], partial(interrupt, plan), faults[::every])
                for fault, outcome in zip(faults[::every], found, strict=True):
                    tally.add(outcome, f"at operation {fault.at} of {len(done)} ({' '.join(done[fault.at - 1][:2])})")
                tallies.append(tally)
    return tallies


def interrupt(plan: Interrupted, box: Sandbox, fault: Fault) -> Outcome:
    """One attempt: the work with a fault, what it leaves, and its resumption.

    Returns:
        A result if the work ended despite the fault, a sentence if it was killed or refused with one sentence, else a fault.
    """
    name = f"{plan.work}-{fault.kind}-{fault.at}"
    work, journal = plan.arguments(name), plan.folder / f"{name}.journal"
    ended = box.run("interrupted", work=work, journal=str(journal), kind=fault.kind, at=fault.at)
    folder = Path(work["folder"])
    saved = saved_in(folder, operations(journal))
    wrong = _wrong_end(ended, fault) or _lost(saved) or _wrong_afterwards(box, plan, work, saved)
    shutil.rmtree(folder, ignore_errors=True)
    journal.unlink(missing_ok=True)
    if wrong:
        return Outcome(FAULT, wrong)
    return Outcome(SENTENCE) if ended.signal else ended.outcome


def _wrong_end(ended: Ended, fault: Fault) -> str:
    if ended.signal == signal.SIGKILL and fault.kind in ("kill", "torn"):
        return ""
    return f"it ended with {ended.outcome.text}" if ended.outcome.kind == FAULT else ""


def _lost(saved: list[str]) -> str:
    """The first published path that is gone or damaged."""
    for path in map(Path, saved):
        if not path.exists():
            return f"{path.name} was saved and is gone"
        try:
            if path.is_dir():
                verify_folder(path)
        except ForethoughtError as error:
            return f"{path.name} was saved and is damaged: {error}"
    return ""


def _wrong_afterwards(box: Sandbox, plan: Interrupted, work: dict[str, str], saved: list[str]) -> str:
    after = box.run("afterwards", work=work).outcome
    if after.kind != RESULT:
        return f"nothing could be opened: {after.text}"
    looked, resumed = (Outcome(**_plain(after.value[name])) for name in ("looked", "resumed"))
    if looked.kind == FAULT:
        return f"opening what is left gave {looked.text}"
    if looked.kind == SENTENCE and WORKS[plan.work](*map(Path, (work["folder"], work["store"], work["run"]))).must_open(saved):
        return f"what was saved does not open: {looked.text}"
    if resumed.kind != RESULT:
        return f"it could not be resumed: {resumed.text}"
    return "" if resumed.value == plan.digest else "the resumed result differs from an uninterrupted one"


def _plain(value: Any) -> dict[str, Any]:
    return {name: value[name] for name in ("kind", "text", "value")}
