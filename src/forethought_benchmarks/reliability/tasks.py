"""What the children of the campaign do, by name; arguments and results are JSON values."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from forethought.evaluation.evaluate import evaluate
from forethought_benchmarks.reliability.contention import contended, jumping
from forethought_benchmarks.reliability.crafted_files import crafted
from forethought_benchmarks.reliability.damage import damage
from forethought_benchmarks.reliability.file_faults import Fault, Injection
from forethought_benchmarks.reliability.generated import generated
from forethought_benchmarks.reliability.leaks import leaks
from forethought_benchmarks.reliability.outcomes import attempt
from forethought_benchmarks.reliability.subjects import WORKS, Collection, Training, Work, make_subjects


def warm_up() -> None:
    """Before the first fork: everything is imported and has run once, with one thread, so that a fork starts fast."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        store, run = Path(folder) / "store", Path(folder) / "run"
        Collection(store, store, run).do()
        Training(run, store, run).do()
        evaluate(run, tasks=1, mode="react")
    gc.collect()
    gc.freeze()


def _work(name: str, folder: str, store: str, run: str) -> Work:
    return WORKS[name](Path(folder), Path(store), Path(run))


def make(out: str) -> list[str]:
    """Make the store and the run; their folders."""
    return [str(path) for path in make_subjects(Path(out))]


def reference(work: dict[str, str]) -> str:
    """Do the work without a fault; its digest."""
    subject = _work(**work)
    subject.prepare()
    subject.do()
    return subject.digest()


def interrupted(work: dict[str, str], journal: str, kind: str, at: int) -> None:
    """Do the work with a fault."""
    subject = _work(**work)
    subject.prepare()
    Injection(subject.folder, Path(journal), Fault(kind, at))
    subject.do()


def afterwards(work: dict[str, str]) -> dict[str, Any]:
    """Open what an interruption has left, then resume; both outcomes, and the digest of the result."""
    subject = _work(**work)
    looked = attempt(subject.look)
    resumed = attempt(lambda: subject.resume() or subject.digest())
    return {"looked": asdict(looked), "resumed": asdict(resumed)}


TASKS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        task.__name__: task
        for task in (make, reference, interrupted, afterwards, damage, crafted, generated, leaks, contended, jumping)
    }
)
