"""Training curves, monitors and alarms, read from a run's `log.jsonl`."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
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
    """What was logged; a line that a full disk or a power cut has torn is passed over, for the page can do without it."""
    path, found = run / "log.jsonl", []
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        try:
            found.append(json.loads(line))
        except ValueError:
            log.warning("line %d of %s is damaged, and passed over", number, path)
    return found


def _curves(run: Path) -> dict[tuple[str, str], dict[int, float]]:
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for record in _records(run):
        for name, value in record.items():
            if isinstance(value, float) and isinstance(record["step"], int):
                # A resumed run logs some steps twice; the later record counts.
                found[str(record["phase"]), name][record["step"]] = value
    return found


def _curve(name: str, phase: str, points: dict[int, float], low: float | None = None) -> Curve:
    steps = sorted(points)
    return Curve(name, np.array(steps, float), np.array([points[step] for step in steps]), phase, low=low)


def monitors_of(run: Path) -> tuple[Curve, ...]:
    """Collapse monitors and truth probes."""
    found = _curves(run)
    chosen = [key for key in found if key[1] in MONITORS or key[1].startswith("probe_")]
    return tuple(_curve(name, phase, found[phase, name], HEALTHY.get(name)) for phase, name in chosen)


def curves_of(run: Path) -> tuple[Curve, ...]:
    """The losses that matter, phase by phase."""
    found = _curves(run)
    keys = [(phase, name) for phase, names in SHOWN.items() for name in names if (phase, name) in found]
    return tuple(_curve(name, phase, found[phase, name]) for phase, name in keys)


def alarms_of(run: Path) -> tuple[Alarm, ...]:
    """Every alarm that was raised; once, though a resumed run does some steps again."""
    alarms: dict[Alarm, None] = {}
    for record in _records(run):
        told = record.get("alarms")
        for message in told if isinstance(told, list) else []:
            what, _, cause = str(message).partition(";")
            alarms[Alarm(int(str(record["step"])), what, cause.strip())] = None
    return tuple(alarms)
