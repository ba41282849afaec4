"""`forethought bench scaling`: how executors scale, and what injected faults cost."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from forethought.atomic_io import read_json
from forethought.evaluation.result_rows import write_results
from forethought_benchmarks.scaling.faults import injected
from forethought_benchmarks.scaling.throughput import ScalingProtocol, computing, sleeping
from forethought_benchmarks.selection import require_known

NAME = "scaling"
PARTS: Mapping[str, Callable[[Path, ScalingProtocol], Iterable[dict[str, Any]]]] = MappingProxyType(
    {
        "sleeping": sleeping,
        "computing": computing,
        "faults": lambda out, protocol: injected(out, protocol.faults),
    }
)
"""Each part: folder, protocol -> its rows."""


def run(out: Path, parts: Sequence[str] = (), protocol: ScalingProtocol | None = None) -> Path:
    """Measure parts (none: all); the rows of the others stay in the result file.

    Raises:
        ForethoughtError: no such part.
        MissingExtraError: Ray is not installed.
    """
    require_known(NAME, "part", parts, PARTS)
    path = out / f"{NAME}.json"
    for part in parts or PARTS:
        rows = read_json(path, "the rows of the other parts")["rows"] if path.exists() else []
        rows = [row for row in rows if row["part"] != part]
        for row in PARTS[part](out / NAME, protocol or ScalingProtocol()):
            rows.append(row | {"part": part})
            write_results(out, NAME, rows, shlex.join(["forethought", "bench", NAME]))
    return path


def scaling_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A markdown table of the rows without faults: a line for each unit and number of workers, a column for each executor."""
    measured = [row for row in rows if row["part"] != "faults"]
    executors = list(dict.fromkeys(row["executor"] for row in measured))
    lines = [
        "| unit | workers | " + " | ".join(f"{name}: units a second (efficiency)" for name in executors) + " |",
        "|---|---|" + "---|" * len(executors),
    ]
    cells = {(row["world"], row["workers"], row["executor"]): row for row in measured}
    for world, workers in dict.fromkeys((row["world"], row["workers"]) for row in measured):
        found = [cells.get((world, workers, name)) for name in executors]
        shown = ["–" if row is None else f"{row['units_per_second']:.3g} ({row['efficiency']:.2f})" for row in found]
        lines.append(f"| {world} | {workers} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def faults_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A markdown table of the injected faults."""
    lines = ["| fault | injected | results that were lost or wrong |", "|---|---|---|"]
    lines += [f"| {row['agent']} | {row['faults']} | {row['value']} |" for row in rows if row["part"] == "faults"]
    return "\n".join(lines)
