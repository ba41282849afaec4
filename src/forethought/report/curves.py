"""Training curves, collapse monitors and alarms, read from a run's `log.jsonl`."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from forethought.report.report_data import Alarm, Curve
from forethought.world_model.monitors import LEAST_R2, LEAST_STD

log = logging.getLogger(__name__)
MONITORS = ("batch_std", "within_episode_std", "rankme", "inverse_dynamics_r2", "bits")
HEALTHY = {"batch_std": LEAST_STD, "inverse_dynamics_r2": LEAST_R2}
SHOWN = {
    "world model": ("one_step", "multi_step", "inverse_dynamics", "episode_infonce"),
    "predictor": ("ahead_1", "ahead_3", "ahead_5"),
    "critic": ("temporal_distance", "logged_distance", "future_costs"),
    "policy": ("distilled", "imagined"),
}


def _records(run: Path) -> list[dict[str, object]]:
    """Records of the log, of the last training. A line cut off by a full disk or a power failure is skipped: the report works
    without it. Trainings that were given up are told by the configuration's history.
    """
    path, records = run / "log.jsonl", list[dict[str, object]]()
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        try:
            records.append(json.loads(line))
        except ValueError:
            log.warning("line %d of %s is damaged and was skipped", number, path)
    last = max((_attempt(record) for record in records), default=0)
    return [record for record in records if _attempt(record) == last]


def _attempt(record: Mapping[str, object]) -> int:
    """How many trainings were given up before a record's."""
    number = record.get("attempt", 0)
    return number if isinstance(number, int) else 0


def _curves(run: Path) -> dict[tuple[str, str], dict[int, float]]:
    curves: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for record in _records(run):
        for name, value in record.items():
            if isinstance(value, float) and isinstance(record["step"], int):
                # A resumed run logs some steps twice; the later record replaces the earlier one.
                curves[str(record["phase"]), name][record["step"]] = value
    return curves


def _curve(name: str, phase: str, points: dict[int, float], low: float | None = None) -> Curve:
    steps = sorted(points)
    return Curve(name, np.array(steps, float), np.array([points[step] for step in steps]), phase, low=low)


def monitors_of(run: Path) -> tuple[Curve, ...]:
    """Collapse monitors and linear probes of true values."""
    curves = _curves(run)
    keys = [key for key in curves if key[1] in MONITORS or key[1].startswith("probe_")]
    return tuple(_curve(name, phase, curves[phase, name], HEALTHY.get(name)) for phase, name in keys)


def curves_of(run: Path) -> tuple[Curve, ...]:
    """Main losses of each phase (`SHOWN`)."""
    curves = _curves(run)
    keys = [(phase, name) for phase, names in SHOWN.items() for name in names if (phase, name) in curves]
    return tuple(_curve(name, phase, curves[phase, name]) for phase, name in keys)


def alarms_of(run: Path) -> tuple[Alarm, ...]:
    """All alarms without duplicates; a resumed run repeats some steps and their alarms."""
    alarms: dict[Alarm, None] = {}
    for record in _records(run):
        messages = record.get("alarms")
        for message in messages if isinstance(messages, list) else []:
            symptom, _, cause = str(message).partition(";")
            alarms[Alarm(int(str(record["step"])), symptom, cause.strip())] = None
    return tuple(alarms)
