"""Part `crafted`: folders from a stranger, with valid checksums and hostile content."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forethought.atomic_io import SEAL
from forethought_benchmarks.reliability.crafted_files import ARRAYS, FILES, REMOVED, TENSORS
from forethought_benchmarks.reliability.crafted_values import VALUES, places
from forethought_benchmarks.reliability.outcomes import FAULT, Outcome, OutcomeCounts
from forethought_benchmarks.reliability.sandbox import Sandbox, fresh_folder, over

SECONDS, MEMORY_MIB = 10.0, 1024.0
"""Limits of opening one folder."""
DOCUMENTS: tuple[tuple[str, str, str], ...] = (
    ("agent", "run", "agent/configuration.json"),
    ("agent", "run", "agent/checksums.json"),
    ("checkpoint", "run", "checkpoints/*/progress.json"),
    ("checkpoint", "run", "checkpoints/*/checksums.json"),
    ("resumed run", "run", "checkpoints/*/progress.json"),
    ("resumed run", "run", "configuration.json"),
    ("resumed run", "run", "training.json"),
    ("record", "run", "training.json"),
    ("configuration", "run", "configuration.json"),
    ("report", "run", "material/material.json"),
    ("store", "store", "manifest.json"),
    ("store", "store", "shards/00000/checksums.json"),
)
"""JSON documents: (what opens them, subject, file)."""
BINARIES = (
    ("agent", "run", "agent/weights.safetensors"),
    ("checkpoint", "run", "checkpoints/*/agent.safetensors"),
    ("resumed run", "run", "checkpoints/*/optimizer.safetensors"),
    ("store", "store", "shards/00000/actions.npy"),
    ("store", "store", "shards/00000/pixels.npy"),
)


@dataclass(frozen=True)
class Case:
    """One crafted file. Fields: as the arguments of `crafted_files.crafted`; subject: store or run."""

    opener: str
    subject: str
    file: str
    way: str
    path: tuple[str | int, ...]
    name: str


def cases(store: Path, run: Path) -> Iterator[Case]:
    """Every case."""
    roots = {"store": store, "run": run}
    for opener, subject, pattern in (*DOCUMENTS, *BINARIES):
        file = sorted(roots[subject].glob(pattern))[-1]
        name = str(file.relative_to(roots[subject]))
        for way in FILES:
            yield Case(opener, subject, name, "file", (), way)
        if file.suffix == ".safetensors":
            yield from (Case(opener, subject, name, "tensors", (), way) for way in TENSORS)
        elif file.suffix == ".npy":
            yield from (Case(opener, subject, name, "array", (), way) for way in ARRAYS)
        else:
            document = json.loads(file.read_text())
            if isinstance(document, dict):
                document.pop(SEAL, None)
            for path in places(document):
                yield from (Case(opener, subject, name, "value", path, value) for value in VALUES)
                if path:
                    yield Case(opener, subject, name, "value", path, REMOVED)


def run_part(part: str, out: Path, every: int = 1) -> list[OutcomeCounts]:
    """Open crafted folders. `every`: each `every`-th case; 1 is all."""
    folder = fresh_folder(out / part)
    tallies: dict[str, OutcomeCounts] = {}
    with Sandbox(folder / "first.log") as one, Sandbox(folder / "second.log") as two:
        store, run = map(Path, one.run("make", seconds=600, out=str(out)).outcome.value)
        chosen = list(cases(store, run))[::every]
        roots = {"store": str(store), "run": str(run)}

        def open_crafted(box: Sandbox, numbered: tuple[int, Case]) -> Outcome:
            number, case = numbered
            copy = folder / f"case-{number}"
            copy.mkdir()
            (copy / "store").symlink_to(store)
            ended = box.run(
                "crafted", seconds=SECONDS, memory_gib=4 * MEMORY_MIB / 1024, opener=case.opener, source=roots[case.subject],
                folder=str(copy), file=case.file, way=case.way, path=list(case.path), name=case.name,
            )  # fmt: skip
            shutil.rmtree(copy)
            if ended.outcome.kind != FAULT and ended.grown_mib > MEMORY_MIB:
                return Outcome(FAULT, f"it took {ended.grown_mib:.0f} MiB")
            return ended.outcome

        for case, outcome in zip(chosen, over([one, two], open_crafted, enumerate(chosen)), strict=True):
            tally = tallies.setdefault(case.opener, OutcomeCounts(part, case.opener))
            place = ".".join(map(str, case.path))
            tally.add(outcome, f"{case.file} {place} = {case.name}")
    return list(tallies.values())
