"""Rows of the benchmark `control`: a row for each world, agent and metric, over the seeds that are measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from forethought.evaluation.result_rows import oldest_date, row
from forethought.evaluation.statistics import wilson
from forethought_benchmarks.comparisons import mean_interval
from forethought_benchmarks.control.unit import ControlUnit

MEANS = ("episode_return", "wall_seconds", "cpu_seconds")
MEDIANS = ("steps_to_threshold", "seconds_to_threshold", "cpu_seconds_to_threshold")


def control_rows(units: Sequence[ControlUnit], folder: Path) -> list[dict[str, Any]]:
    """The rows of finished units, which are in the order of worlds and agents; `folder`: where they are kept."""
    rows = []
    for _, group in groupby(units, key=lambda unit: (unit.world.name, unit.agent)):
        rows += _rows(list(group), folder)
    return rows


def _rows(units: Sequence[ControlUnit], folder: Path) -> list[dict[str, Any]]:
    """The rows of one agent in one world."""
    found = [unit.found(folder) or {} for unit in units]
    first = units[0]
    fields: dict[str, Any] = {"seeds": [unit.seed for unit in units], "device": "cpu", "date": oldest_date(found)}
    beside = {"threshold": first.world.threshold, "train_steps": first.train_steps}

    def made(metric: str, value: float | None, low: float | None, high: float | None, per_seed: list[Any]) -> dict[str, Any]:
        bounds = {"low": low, "high": high, "n": len(units), "by_seed": per_seed}
        # `value` is null where half of the seeds or more never reach the threshold.
        line = row(first.world.name, first.agent, metric, value, **bounds, **fields)
        return {**line, "per_seed": per_seed, **beside}

    rows = []
    for metric in MEANS:
        values = [each[metric] for each in found]
        rows.append(made(metric, *mean_interval(values), values))
    reached = [each["steps_to_threshold"] is not None for each in found]
    share, interval = sum(reached) / len(reached), wilson(sum(reached), len(reached))
    rows.append(made("reached_rate", share, *interval, [float(each) for each in reached]))
    for metric in MEDIANS:
        values = [each[metric] for each in found]
        rows.append(made(metric, *median_and_range(values), values))
    if first.world.drives:
        pairs = {"episode_length": [each["lengths"] for each in found]}
        pairs |= {f"{name}_per_1000_steps": [each["drives"][name] for each in found] for name in first.world.drives}
        for metric, both in pairs.items():
            values = [agent for agent, _ in both]
            floor = sum(random for _, random in both) / len(both)
            rows.append(made(metric, *mean_interval(values), values) | {"floor": floor})
    rows[0]["curves"] = [each["curve"] for each in found]
    rows[0]["floor"] = _floor(found)
    return rows


def median_and_range(values: Sequence[float | None]) -> tuple[float | None, float | None, float | None]:
    """Median over seeds, and the least and the greatest; a seed that has none counts as infinite, and infinity is None.

    The range of five seeds is a 94 % interval of the median.

    >>> median_and_range([100, None, 300])
    (300.0, 100.0, None)
    """
    known = sorted(math.inf if value is None else float(value) for value in values)
    middle = median(known)
    return _finite(middle), _finite(known[0]), _finite(known[-1])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _floor(found: Sequence[dict[str, Any]]) -> float | None:
    """Return of random actions in the final episodes, where it was measured."""
    floors = [each["random_return"] for each in found if each.get("random_return") is not None]
    return sum(floors) / len(floors) if floors else None
