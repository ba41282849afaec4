"""The page that teaches what collapse is, from the rows and pictures of `forethought bench collapse`."""

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
    """One kind of collapse, in plain words.

    Fields:
        alarm: the figure that its alarm sets. title. what: what happens. seen: in which gauge. why: what it costs the agent.
    """

    alarm: str
    title: str
    what: str
    seen: str
    why: str


TOLD = (
    Kind(
        "alarm_total",
        "Total collapse",
        "Every picture becomes the same state. Then the next state is always foretold without error, and nothing is known.",
        "The spread of the states falls to nothing: all dots lie on one another.",
        "Every place looks like the goal, and no plan is better than another.",
    ),
    Kind(
        "alarm_dimensional",
        "Dimensional collapse",
        "States differ, but along a few directions only: all dimensions say the same few things.",
        "The spread looks healthy; the singular values drop like a stone, and the effective rank is a handful.",
        "What does not fit into those few directions is gone: the door's place, say.",
    ),
    Kind(
        "alarm_slow_feature",
        "Slow-feature collapse",
        "The state tells episodes apart by what never changes in them, the walls, and drops what moves: the agent itself. "
        "What never changes is easy to foretell.",
        "Spread and rank can both look healthy; the spread within an episode and the actions between two states tell it. Each "
        "episode is a clump of one colour.",
        "The agent cannot see its own actions, so it cannot plan them.",
    ),
)


def write_collapse_page(rows: Path) -> Path:
    """Draw the page beside the result file `rows`, which stands beside the folder of the arms; returns the page's path."""
    bench = read_bench(rows)
    arms = [
        _arm(name, list(lines), rows.with_suffix("")) for name, lines in groupby(bench["rows"], key=lambda line: line["agent"])
    ]
    kinds = [{"kind": kind, "arm": next((arm for arm in arms if arm["figures"][kind.alarm]), None)} for kind in TOLD]
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
