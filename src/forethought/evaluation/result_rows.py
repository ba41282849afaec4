"""Rows of figures and the files that keep them: a run's `<bench>.json`, and every published figure in `benchmarks/`."""

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
from forethought.atomic_io import write_json
from forethought.evaluation.statistics import wilson

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


def score_rows(
    world: str, agent: str, scores: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """The `success_rate` and the `held_rate` row of one agent, pooled over training seeds.

    Args:
        scores: a `Score`'s fields per seed. records: what training cost, per seed.

    Time is that of the seeds on the first one's device: minutes of different machines have no mean.
    """
    devices = [record["device"] for record in records]
    timed = [number for number, device in enumerate(devices) if device == devices[0]]
    touched = [outcome for score in scores for outcome in score["touched"]]
    low, high = wilson(sum(touched), len(touched))
    shared = {
        "n": len(touched), "seeds": list(seeds),
        "floor": _mean(score["random_floor"] for score in scores),
        "ceiling": None if scores[0]["expert_ceiling"] is None else _mean(s["expert_ceiling"] for s in scores),
        "model_calls": _calls(scores),
        "gflops_per_decision": _gflops(scores),
        "ms_per_decision": _timing([scores[number] for number in timed]),
        "train_frames": records[0]["train_frames"],
        # The day of the oldest, where seeds were scored on several.
        "date": oldest_date(scores),
        "train_cpu_minutes": _mean(core_minutes(records[number]) for number in timed),
        "device": ", ".join(dict.fromkeys(devices)),
    }  # fmt: skip
    return [
        row(world, agent, "success_rate", sum(touched) / len(touched), low=low, high=high, **shared),
        row(world, agent, "held_rate", _mean(score["held_rate"] for score in scores), **shared),
    ]


def core_minutes(record: Mapping[str, Any]) -> float:
    """Minutes of one core that a training took, from its record."""
    return float(sum(record["seconds"].values()) / 60 * record["threads"])


def oldest_date(scores: Sequence[Mapping[str, Any]]) -> str | None:
    """The day of the oldest of these scores; None where one does not tell."""
    days = [score.get("date") for score in scores]
    return None if None in days else min(map(str, days))


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


def untimed(scores: Sequence[Mapping[str, Any]]) -> bool:
    """Whether only outcomes were taken: of a controller that looks things up in the world, time means nothing."""
    return not scores[0]["ms_per_decision"]


def _timing(scores: Sequence[Mapping[str, Any]]) -> list[float] | None:
    names = ("ms_per_decision", "ms_per_decision_p95")
    return None if untimed(scores) else [_mean(score[name] for score in scores) for name in names]


def _gflops(scores: Sequence[Mapping[str, Any]]) -> float | None:
    """The mean over seeds; None where some were scored before operations were counted."""
    counted = [score.get("gflops_per_decision") for score in scores]
    return _mean(counted) if all(counted) else None


def _calls(scores: Sequence[Mapping[str, Any]]) -> list[float]:
    """Predictor calls a decision, level by level from the first."""
    every = [[score["model_calls_per_decision"], *score.get("calls_above", ())] for score in scores]
    return [_mean(level) for level in zip(*every, strict=True)]


def _mean(values: Any) -> float:
    return fmean(float(value) for value in values)
