"""How many of a random sample of small faults in the core the tests notice.

    make mutation

runs the tests of the core once under coverage, which says what tests reach each line, and then tries each fault: a copy of the
source has it, and the tests that reach it run, two minutes of them at most: those of the mirrored file, then one of each file
in turn. A fault that no test reaches counts as unnoticed. The result goes to `benchmarks/mutation.json`; `--again` tries only
what went unnoticed there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from coverage import CoverageData

from mutants import Mutant, mutants

ROOT = Path(__file__).parents[1]
CORE = Path("src", "forethought")
SECONDS = 240
KILLED, SURVIVED, UNREACHED, TIMEOUT = "killed", "survived", "unreached", "killed by time"


@dataclass(frozen=True)
class Fault:
    """A tried fault. Fields: file; index: of the fault in it; line, old, new; tests: number of tests; outcome; by: a test."""

    file: str
    index: int
    line: int
    old: str
    new: str
    tests: int = 0
    outcome: str = ""
    by: str = ""

    @property
    def killed(self) -> bool:
        """Whether a test noticed it."""
        return self.outcome in (KILLED, TIMEOUT)


def sample(number: int, seed: int) -> list[tuple[str, int]]:
    """(file, index of the fault in it) of `number` faults, from all of the core with equal chances; worlds are not of it."""
    files = sorted(path for path in (ROOT / CORE).rglob("*.py") if "worlds" not in path.relative_to(ROOT).parts)
    every = [(str(path.relative_to(ROOT)), index) for path in files for index, _ in enumerate(mutants(path.read_text()))]
    return random.Random(seed).sample(every, number)


class Reach:
    """Which tests reach a line, and how long each takes."""

    def __init__(self, coverage: Path, durations: Path) -> None:
        """`coverage`: a data file with a context per test. `durations`: a JUnit file of the same tests."""
        self.data = CoverageData(str(coverage))
        self.data.read()
        self.measured = {name[name.rindex(f"{CORE}/") :]: name for name in self.data.measured_files() if f"{CORE}/" in name}
        self.seconds: dict[str, float] = {}
        for case in ET.parse(durations).getroot().iter("testcase"):
            path = case.get("classname", "").replace(".", "/") + ".py"
            self.seconds[f"{path}::{case.get('name')}"] = float(case.get("time", "0"))

    def tests(self, file: str, mutant: Mutant, seconds: float) -> list[str]:
        """The tests that reach a fault, at most `seconds` of them: one of each test file in turn, the nearest file first.

        Near is the mirrored file, then its folder, then the others. Of each file the fastest come first.
        """
        if file not in self.measured:
            return []
        contexts = self.data.contexts_by_lineno(self.measured[file])
        names = {context.split("|")[0] for line in mutant.shown for context in contexts.get(line, []) if context}
        # A line that runs at the import belongs to no test: those of the mirrored folder may notice what it sets.
        folder = "tests/" + "".join(f"{part}/" for part in Path(file).parent.parts[2:])
        names = names or {name for name in self.seconds if name.startswith(folder)}
        by_file: dict[str, list[str]] = {}
        for name in sorted(names, key=lambda name: (self.seconds.get(name, 1.0), name)):
            by_file.setdefault(name.partition("::")[0], []).append(name)
        mirrored = f"test_{Path(file).stem}.py"
        near = sorted(by_file, key=lambda path: (not path.endswith(f"/{mirrored}"), not path.startswith(folder), path))
        chosen = by_file[near[0]] if near and near[0].endswith(f"/{mirrored}") else []
        turns = zip_longest(*(by_file[path] for path in near if by_file[path] is not chosen))
        ordered = [*chosen, *(name for turn in turns for name in turn if name is not None)]
        fitting: list[str] = []
        for name in ordered:
            taken = self.seconds.get(name, 1.0)
            if taken <= seconds or not fitting:
                fitting.append(name)
                seconds -= taken
        return fitting


class _FirstFailure:
    """Plugin of pytest: the first test that fails."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid or "collection"


def run_tests(tree: Path, tests: Sequence[str], seconds: float = SECONDS) -> str | None:
    """Run tests in a fork of this process, which has imported the libraries; the first failure, "" for none, None: no end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setpgid(0, 0)
        _run_and_exit(tree, tests, writing)
    os.close(writing)
    answer, ends = b"", time.monotonic() + seconds
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, ends - time.monotonic()))[0]:
            part = pipe.read(2**16)
            answer += part
            if not part:
                break
        else:
            answer = b"?"
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it may not have begun, or have ended
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return {b"?": None, b"": "the process died", b"passed": ""}.get(answer, answer.decode())


def _run_and_exit(tree: Path, tests: Sequence[str], writing: int) -> None:
    import pytest

    try:
        os.chdir(tree)
        sys.path[:0] = [str(tree / "src"), str(tree / "tests")]
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        first = _FirstFailure()
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:cov", *tests], plugins=[first])
        os.write(writing, ("passed" if code == 0 else first.name or f"exit code {code}").encode())
    finally:
        os._exit(0)


def mutant_of(file: str, index: int) -> Mutant:
    """A fault by its number in a file."""
    return list(mutants((ROOT / file).read_text()))[index]


def tried(file: str, index: int, tests: Sequence[str], tree: Path) -> Fault:
    """Put a fault into a copy of the project, run its tests, and take it out again."""
    source = (ROOT / file).read_text()
    mutant = mutant_of(file, index)
    fault = Fault(file, index, mutant.line, mutant.old[:100], mutant.new[:100])
    if not tests:
        return replace(fault, outcome=UNREACHED)
    _write(tree / file, mutant.applied(source))
    try:
        first = run_tests(tree, tests)
    finally:
        _write(tree / file, source)
    outcome = TIMEOUT if first is None else KILLED if first else SURVIVED
    return replace(fault, tests=len(tests), outcome=outcome, by=first or "")


def _write(path: Path, source: str) -> None:
    """Write a source file; its compiled forms go, for their times are in whole seconds."""
    path.write_text(source)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def import_libraries() -> None:
    """What every test imports, but nothing of the project and no plugin of pytest: a fork starts with it."""
    import gymnasium  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import pydantic  # noqa: F401
    import pytest  # noqa: F401
    import torch
    import torch.utils.tensorboard
    import tyro  # noqa: F401

    torch.set_num_threads(1)


Attempt = tuple[str, int, list[str], Any]
"""A file, the index of a fault in it, the tests to run, and the queue of free trees."""
_given: list[Attempt] = []


def _take(given: list[Attempt]) -> None:
    """What every process is given, before it begins."""
    _given[:] = given


def _tried_in_a_free_tree(number: int) -> Fault:
    file, index, tests, free = _given[number]
    tree = free.get()
    try:
        return tried(file, index, tests, tree)
    finally:
        free.put(tree)


def outcome_of(faults: Sequence[Fault]) -> dict[str, int]:
    """How many faults were tried, noticed, unnoticed, and reached by no test."""
    return {
        "tried": len(faults), "killed": sum(fault.killed for fault in faults),
        "survived": sum(fault.outcome == SURVIVED for fault in faults),
        "unreached": sum(fault.outcome == UNREACHED for fault in faults),
    }  # fmt: skip


def main() -> None:
    """Take the sample, try each fault, and write the outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coverage", type=Path, default=ROOT / ".coverage")
    parser.add_argument("--durations", type=Path, default=ROOT / ".durations.xml")
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=120, help="of tests for each fault, at most")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--again", action="store_true", help="only the faults that went unnoticed in the result file")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "mutation.json")
    asked = parser.parse_args()
    earlier = [Fault(**one) for one in json.loads(asked.out.read_text())["faults"]] if asked.again else []
    places = [(one.file, one.index) for one in earlier if not one.killed] or sample(asked.number, asked.seed)
    reach = Reach(asked.coverage, asked.durations)
    import_libraries()
    with tempfile.TemporaryDirectory() as scratch:
        # Forks, which have the libraries already; each puts its faults into a tree of its own.
        trees = [Path(scratch) / str(number) for number in range(max(1, asked.processes))]
        for tree in trees:
            shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".venv", "runs", ".*_cache"))
        free = get_context("fork").SimpleQueue()
        for tree in trees:
            free.put(tree)
        # Chosen before the forks, which could not share the database of the coverage.
        given = [(file, index, reach.tests(file, mutant_of(file, index), asked.seconds), free) for file, index in places]
        faults: list[Fault] = []
        # No pool of `multiprocessing`: its processes may have no children, and tests start some.
        with ProcessPoolExecutor(len(trees), get_context("fork"), _take, (given,)) as pool:
            for fault in pool.map(_tried_in_a_free_tree, range(len(given))):
                faults.append(fault)
                print(json.dumps(asdict(fault)), flush=True)  # noqa: T201
        noticed = sorted({fault.by for fault in faults if "::" in fault.by})
        if noticed and (failing := run_tests(trees[0], noticed, 20 * SECONDS)) != "":
            sys.exit(f"{failing} fails without any fault: what it noticed counts for nothing.")
    tried_again = {(one.file, one.index): one for one in faults}
    every = [tried_again.get((one.file, one.index), one) for one in earlier] or faults
    write(asked.out, every, json.loads(asked.out.read_text()).get("first") if asked.again else None)


def write(path: Path, faults: Sequence[Fault], first: dict[str, int] | None) -> None:
    """Write the result file. `first`: the outcome of the first try, before tests were added; None: this one."""
    sys.path.insert(0, str(ROOT / "src"))
    from forethought.evaluation.result_rows import row, write_results

    figures = {"first sample": first or outcome_of(faults), "with the tests added since": outcome_of(faults)}
    rows = [
        row("core", agent, name, value, n=counts["tried"])
        for agent, counts in figures.items()
        for name, value in (*counts.items(), ("killed_rate", counts["killed"] / counts["tried"]))
    ]
    write_results(path.parent, path.stem, rows, "make mutation")
    content = json.loads(path.read_text()) | {"first": figures["first sample"], "faults": [asdict(one) for one in faults]}
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(figures)  # noqa: T201


if __name__ == "__main__":
    main()
