"""What an install brings and how long an import takes: packages, megabytes on disk, seconds of `import`.

Sizes are those of this environment's files, for the base install, with the extra `train`, and with all. Imports are timed
in new processes, all kinds in turn. The bench needs an environment with `forethought[all]`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from statistics import median
from typing import Any

from forethought.evaluation.result_rows import row, write_results
from forethought_benchmarks.planner_throughput import median_interval

NAME, REPEATS = "lean-install", 9
IMPORTS: Mapping[str, str] = {
    "import forethought": "import forethought",
    "import torch": "import torch",
    "from forethought import load": "from forethought import load",
}
MEGABYTE = 1e6
_TIMED = "import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"


def run(out: Path, repeats: int = REPEATS) -> Path:
    """Measure sizes and imports; returns the result file."""
    return write_results(out, NAME, [*sizes(requirements()), *imports(repeats)])


def requirements() -> dict[str, set[str]]:
    """The packages that `forethought` asks for, by install: `base`, `[train]` and `[all]`, each with those before it."""
    lines = distribution("forethought").requires or []
    base = {_name(line) for line in lines if "extra ==" not in line}
    train, page = (
        {_name(line) for line in lines if re.search(rf"extra == ['\"]{extra}['\"]", line)} for extra in ("train", "page")
    )
    return {"base": base, "[train]": base | train, "[all]": base | train | page}


def brought_by(packages: Iterable[str]) -> set[str]:
    """These packages and all that they need; what is not installed here, another system's packages, is left out."""
    found, waiting = set[str](), set(packages)
    while waiting:
        package = waiting.pop()
        try:
            lines = distribution(package).requires or []
        except PackageNotFoundError:
            continue
        found.add(package)
        waiting |= {_name(line) for line in lines if "extra ==" not in line} - found
    return found


def megabytes(packages: Iterable[str]) -> float:
    """Size on disk of the files of installed packages."""
    paths = (Path(str(file.locate())) for package in packages for file in distribution(package).files or ())
    return sum(path.stat().st_size for path in paths if path.is_file()) / MEGABYTE


def sizes(wanted: Mapping[str, set[str]]) -> list[dict[str, Any]]:
    """Rows of every install: packages and megabytes, Forethought included; and megabytes beyond torch and what torch needs."""
    torch, rows = brought_by({"torch"}), list[dict[str, Any]]()
    for install, packages in wanted.items():
        brought = brought_by(packages) | {"forethought"}
        figures = {
            "packages": float(len(brought)),
            "megabytes": megabytes(brought),
            "megabytes_beyond_torch": megabytes(brought - torch),
        }
        rows += [row("install", install, metric, value) for metric, value in figures.items()]
    return rows


def imports(repeats: int) -> list[dict[str, Any]]:
    """Rows of every import: the median in seconds; the first round warms the disk's cache."""
    seconds = {name: list[float]() for name in IMPORTS}
    for repeat in range(repeats + 1):
        for name, statement in IMPORTS.items():
            found = _seconds(statement)
            if repeat:
                seconds[name].append(found)
    return [_import_row(name, values) for name, values in seconds.items()]


def _seconds(statement: str) -> float:
    command = [sys.executable, "-c", _TIMED.format(statement=statement)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _import_row(name: str, values: Sequence[float]) -> dict[str, Any]:
    low, high = median_interval(values)
    return row("import", name, "seconds", median(values), low=low, high=high, n=len(values), device="cpu")


def _name(requirement: str) -> str:
    """The package that a requirement names.

    >>> _name("Typing_Extensions>=4.10; python_version < '3.13'")
    'typing-extensions'
    """
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()
