"""Situations from public bug reports of this field's users, each a script in `cases/` that prints PASS or FAIL and why.

Each runs in a process of its own, as its user would run it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = sorted(Path(__file__).with_name("cases").glob("[0-9]*.py"))
SECONDS = 180
LONG = re.compile("03|05|15|26|27|29|31|39|47|48|49|50|53|54|55|58|61|62|63|64|65|71")
"""Cases of more than five seconds; they run with the slow tests."""


def _parameter(case: Path) -> object:
    marks = [pytest.mark.slow] if LONG.match(case.name) else []
    return pytest.param(case, id=case.stem, marks=marks)


@pytest.mark.parametrize("case", [_parameter(case) for case in CASES])
def test_field_case_passes(case: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, case.name]
    done = subprocess.run(
        command, cwd=case.parent, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    verdict = (done.stdout.strip().splitlines() or [""])[-1]
    assert verdict.startswith("PASS:"), f"{verdict}\n{done.stderr[-2000:]}"


def test_the_cases_are_there() -> None:
    assert len(CASES) >= 67
