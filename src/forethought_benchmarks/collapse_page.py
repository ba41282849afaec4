"""HTML page that explains representation collapse, from the results of `forethought bench collapse`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from forethought.atomic_io import read_json
from forethought.report import charts
from forethought.report.palette import PLACE, SERIES
from forethought.report.rendering import write_page
from forethought.world_model.monitors import KINDS
from forethought_benchmarks.collapse import LOOK
from forethought_benchmarks.tables import read_bench

PAGE = "collapse.html"


@dataclass(frozen=True)
class Kind:
    """Description of one kind of collapse.

    Fields:
        alarm: metric of its alarm. title: heading. what: definition. seen: monitor that detects it. why: effect on the agent.
    """

    alarm: str
    title: str
    what: str
    seen: str
    why: str


KINDS_OF_COLLAPSE = (
    Kind(
        "alarm_total",
        "Total collapse",
        "All observations map to the same state. The prediction error is zero, and the state contains no information.",
        "The standard deviation of the states falls to zero: all dots coincide.",
        "Every position has the same distance to the goal, so the planner cannot rank plans.",
    ),
    Kind(
        "alarm_dimensional",
        "Dimensional collapse",
        "States vary in a few directions only; all dimensions are linear functions of these.",
        "The standard deviation is healthy, but the singular values fall steeply and the effective rank is small.",
        "Information beyond these directions is lost, for example the position of the door.",
    ),
    Kind(
        "alarm_slow_feature",
        "Slow-feature collapse",
        "The state represents what is constant within an episode, such as the walls, and not what moves, such as the agent. "
        "Constant features are easy to predict.",
        "Standard deviation and rank can both look healthy; the standard deviation within an episode and the inverse-dynamics "
        "R² are low. Each episode is a cluster of one colour.",
        "The states do not depend on actions, so the agent cannot plan.",
    ),
)


def write_collapse_page(rows: Path) -> Path:
    """Write the page next to the result file `rows` and the folder of the variants; returns the path of the page."""
    bench = read_bench(rows)
    arms = [
        _arm(name, list(lines), rows.with_suffix("")) for name, lines in groupby(bench["rows"], key=lambda line: line["agent"])
    ]
    kinds = [
        {"kind": kind, "arm": next((arm for arm in arms if arm["figures"][kind.alarm]), None)} for kind in KINDS_OF_COLLAPSE
    ]
    success = next(line for line in bench["rows"] if line["metric"] == "success_rate")
    shared = {"floor": success["floor"], "ceiling": success["ceiling"], "tasks": success["n"], "seeds": success["seeds"]}
    doors = "probe_doors_r2" in arms[0]["figures"]
    return write_page(
        "collapse.html.j2",
        {"arms": arms, "kinds": kinds, "bench": bench, "doors": doors, **shared},
        rows.parent / PAGE,
        package="forethought_benchmarks",
    )


def _arm(name: str, lines: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, Any]:
    """One arm's figures, the mean over training seeds, and the pictures of the first."""
    metrics = dict.fromkeys(line["metric"] for line in lines)
    figures = {metric: fmean(line["value"] for line in lines if line["metric"] == metric) for metric in metrics}
    success = next(line for line in lines if line["metric"] == "success_rate")
    look = read_json(folder / f"{name}-{success['seeds'][0]}" / LOOK, "look")
    points, positions = np.array(look["points"]), np.array(look["positions"])
    right = positions[:, 0]
    places = [to_hex(colour) for colour in PLACE((right - right.min()) / max(float(np.ptp(right)), 1e-9))]
    owners = [SERIES[episode % len(SERIES)] for episode in look["episodes"]]
    return {
        "name": name,
        "about": look["about"],
        "figures": figures,
        "success": success,
        "alarms": look["alarms"],
        "rang": [kind for alarm, kind in KINDS.items() if figures[alarm]],
        "shares": look["shares"],
        "by_episode": charts.cloud(points, owners, f"{name}-episode"),
        "by_place": charts.cloud(points, places, f"{name}-place"),
        "spectrum": charts.spectrum(np.array(look["singular_values"]), figures["rank_me"], name),
    }
