"""Situations from public bug reports of this field's users, each a script in `cases/` that prints PASS or FAIL and why.

Each runs in a process of its own. The long ones start as their users start them. The others would mostly import: they start in
a copy of a process that has imported Forethought.
"""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rank_processes import CONTEXT

CASES = sorted(Path(__file__).with_name("cases").glob("[0-9]*.py"))
SECONDS = 180
LONG = re.compile("03|05|15|26|27|29|31|39|47|48|49|50|53|54|55|58|61|62|63|64|65|71")
"""Cases of more than five seconds; they run with the slow tests."""


def _parameter(case: Path) -> object:
    marks = [pytest.mark.slow] if LONG.match(case.name) else []
    return pytest.param(case, id=case.stem, marks=marks)


@pytest.mark.parametrize("case", [_parameter(case) for case in CASES])
def test_field_case_passes(case: Path, tmp_path: Path) -> None:
    said, errors = tmp_path / "said", tmp_path / "errors"
    (start if LONG.match(case.name) else start_in_copy)(case, said, errors)
    verdict = (said.read_text().strip().splitlines() or [""])[-1]
    assert verdict.startswith("PASS:"), f"{verdict}\n{errors.read_text()[-2000:]}"


def start(case: Path, said: Path, errors: Path) -> None:
    """Run a case as its user would; what it prints goes to two files."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with said.open("w") as out, errors.open("w") as err:
        command = [sys.executable, case.name]
        subprocess.run(command, cwd=case.parent, env=environment, stdout=out, stderr=err, timeout=SECONDS, check=False)


def start_in_copy(case: Path, said: Path, errors: Path) -> None:
    """The same, without the time for imports."""
    process = CONTEXT.Process(target=_play, args=(case, said, errors))
    process.start()
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        pytest.fail(f"{case.name} is not done after {SECONDS} s")


def _play(case: Path, said: Path, errors: Path) -> None:
    for file, stream in ((said, sys.stdout), (errors, sys.stderr)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream.fileno())
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    torch.set_num_threads(1)
    os.chdir(case.parent)
    sys.argv, sys.path, sys.dont_write_bytecode = [case.name], [str(case.parent), *sys.path], True
    runpy.run_path(case.name, run_name="__main__")


def test_the_cases_are_there() -> None:
    assert len(CASES) >= 67
