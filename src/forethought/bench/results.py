"""Result files: every published figure is a row of `benchmarks/<bench>.json`."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import forethought
from forethought.atomic_io import write_json

FIELDS = (
    *("world", "agent", "metric", "value", "low", "high", "n", "seeds", "floor", "ceiling"),
    *("model_calls", "gflops_per_decision", "ms_per_decision", "train_frames", "train_cpu_minutes", "device", "date"),
)


def row(world: str, agent: str, metric: str, value: float, **known: Any) -> dict[str, Any]:
    """One row with every field; what is not known is null, and made it was today unless a date is given.

    Raises:
        KeyError: a field that rows do not have.
    """
    for name in known:
        if name not in FIELDS:
            raise KeyError(name)
    given = {"world": world, "agent": agent, "metric": metric, "value": value, "date": today(), **known}
    return {name: given.get(name) for name in FIELDS}


def today() -> str:
    """The date, as ISO writes it (UTC)."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def day_of(*paths: Path) -> str:
    """The day that kept files were written, the oldest of them: figures in them are that old."""
    oldest = min(path.stat().st_mtime for path in paths)
    return datetime.datetime.fromtimestamp(oldest, datetime.UTC).date().isoformat()


def write_results(out: Path, bench: str, rows: Sequence[dict[str, Any]], command: str | None = None) -> Path:
    """`OUT/<bench>.json`, with the command, the version, the machine and the date."""
    path = out / f"{bench}.json"
    out.mkdir(parents=True, exist_ok=True)
    content = {
        "bench": bench,
        "command": command or shlex.join(["forethought", *sys.argv[1:]]),
        "version": forethought.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        "date": today(),
        "rows": list(rows),
    }
    write_json(path, content)
    return path
