"""Result rows and result files: a run's `<bench>.json`, and the published results in `benchmarks/`."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import forethought
from forethought.atomic_io import make_folder, write_json
from forethought.errors import ForethoughtError
from forethought.evaluation.statistics import rate_interval

FIELDS = (
    *("world", "agent", "metric", "value", "low", "high", "n", "seeds", "by_seed", "floor", "ceiling"),
    *("model_calls", "gflops_per_decision", "ms_per_decision", "train_frames", "train_cpu_minutes", "device", "date"),
    *("protocol", "offset"),
)


def row(world: str, agent: str, metric: str, value: float | None, **fields: Any) -> dict[str, Any]:
    """One result row with all `FIELDS`; a missing field is None, a missing date is today.

    Raises:
        KeyError: a name that is not in `FIELDS`.
    """
    for name in fields:
        if name not in FIELDS:
            raise KeyError(name)
    values = {"world": world, "agent": agent, "metric": metric, "value": value, "date": today(), **fields}
    return {name: values.get(name) for name in FIELDS}


def today() -> str:
    """Today's date in UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def day_of(*paths: Path) -> str:
    """Date of the oldest of these files by modification time, in UTC, ISO 8601."""
    oldest = min(path.stat().st_mtime for path in paths)
    return datetime.datetime.fromtimestamp(oldest, datetime.UTC).date().isoformat()


def score_rows(
    world: str, agent: str, scores: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """The `success_rate` row and the `held_rate` row of one agent: means over training seeds, with the rate of each seed.

    Args:
        world, agent: names in the row. scores: fields of a `Score`, per seed. records: training record, per seed.
        seeds: training seeds.

    Times are means over the seeds on the first seed's device only: times of different devices have no meaningful mean.

    Raises:
        ForethoughtError: the seeds were scored on different numbers of tasks.
    """
    devices = [record["device"] for record in records]
    timed = [number for number, device in enumerate(devices) if device == devices[0]]
    tasks = [len(score["touched"]) for score in scores]
    if len(set(tasks)) > 1:
        raise ForethoughtError(f"{agent}: the seeds {list(seeds)} were scored on {tasks} tasks; score them on the same tasks.")
    shared = {
        "n": sum(tasks), "seeds": list(seeds),
        "floor": _mean(score["random_floor"] for score in scores),
        "ceiling": None if scores[0]["expert_ceiling"] is None else _mean(s["expert_ceiling"] for s in scores),
        "model_calls": _calls(scores),
        "gflops_per_decision": _gflops(scores),
        "ms_per_decision": _timing([scores[number] for number in timed]),
        "train_frames": records[0]["train_frames"],
        # The oldest date, if the seeds were scored on different days.
        "date": oldest_date(scores),
        "train_cpu_minutes": _mean(core_minutes(records[number]) for number in timed),
        "device": ", ".join(dict.fromkeys(devices)),
    }  # fmt: skip
    counts = {
        "success_rate": [sum(score["touched"]) for score in scores],
        "held_rate": [round(score["held_rate"] * tasks[0]) for score in scores],
    }
    return [_rate_row(world, agent, metric, successes, tasks[0], shared) for metric, successes in counts.items()]


def _rate_row(
    world: str, agent: str, metric: str, successes: Sequence[int], tasks: int, shared: Mapping[str, Any]
) -> dict[str, Any]:
    low, high = rate_interval(successes, tasks)
    by_seed = [count / tasks for count in successes]
    return row(world, agent, metric, sum(successes) / (tasks * len(successes)), low=low, high=high, by_seed=by_seed, **shared)


def core_minutes(record: Mapping[str, Any]) -> float:
    """CPU-core minutes of a training: seconds / 60 * threads of its record."""
    return float(sum(record["seconds"].values()) / 60 * record["threads"])


def oldest_date(scores: Sequence[Mapping[str, Any]]) -> str | None:
    """The oldest date of these scores; None if a score has no date."""
    days = [score.get("date") for score in scores]
    return None if None in days else min(map(str, days))


def write_results(out: Path, bench: str, rows: Sequence[dict[str, Any]], command: str | None = None) -> Path:
    """Write `OUT/<bench>.json` with the rows, the command, the version, the machine and the date; returns its path."""
    path = out / f"{bench}.json"
    make_folder(out)
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


def untimed(scores: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the scores have no latency: it is meaningless for a controller that reads the true state."""
    return not scores[0]["ms_per_decision"]


def _timing(scores: Sequence[Mapping[str, Any]]) -> list[float] | None:
    names = ("ms_per_decision", "ms_per_decision_p95")
    return None if untimed(scores) else [_mean(score[name] for score in scores) for name in names]


def _gflops(scores: Sequence[Mapping[str, Any]]) -> float | None:
    """Mean over seeds; None if a score of an older version has no operation count."""
    counts = [score.get("gflops_per_decision") for score in scores]
    return _mean(counts) if all(counts) else None


def _calls(scores: Sequence[Mapping[str, Any]]) -> list[float]:
    """Mean predictor calls per decision of each level, level 1 first."""
    calls = [[score["model_calls_per_decision"], *score.get("calls_above", ())] for score in scores]
    return [_mean(level) for level in zip(*calls, strict=True)]


def _mean(values: Any) -> float:
    return fmean(float(value) for value in values)
