"""The table of `control`: a line per world, Forethought beside the best of the baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from forethought_benchmarks.control.control_worlds import CONTROL_WORLDS
from forethought_benchmarks.control.unit import FORETHOUGHT
from forethought_benchmarks.control.zoo import ALGORITHMS

NOT_MEASURED = "not measured"
HEADINGS = (
    "world", "threshold", "return", "seeds", "steps", "baseline", "its return", "its seeds", "its steps", "steps ratio",
    "time ratio", "CPU ratio",
)  # fmt: skip

SPENT: Mapping[str, str] = {
    "steps_to_threshold": "train_steps",
    "seconds_to_threshold": "wall_seconds",
    "cpu_seconds_to_threshold": "cpu_seconds",
}
"""What is compared -> what of it a baseline has spent that never reached the threshold."""
Figures = Mapping[str, Mapping[str, Any]]
"""Metric -> row, of one agent in one world."""
Ratio = tuple[float, bool]
"""A ratio, and whether the true one is below it, because the baseline never reached the threshold."""


def control_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A markdown table with all worlds of the benchmark; what has no rows yet is `not measured`."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    known: tuple[list[Ratio], ...] = tuple([] for _ in SPENT)
    for world in CONTROL_WORLDS.values():
        agents = {name: found for name in (FORETHOUGHT, *ALGORITHMS) if (found := _figures(rows, world.name, name))}
        ours, best = agents.pop(FORETHOUGHT, None), _best(agents)
        ratios = [_ratio(ours, best[1], metric, spent) for metric, spent in SPENT.items()]
        for ratio, kept in zip(ratios, known, strict=True):
            kept += [ratio] if ratio else []
        cells = (
            world.name, f"{world.threshold:g}", *_agent_cells(ours), best[0], *_agent_cells(best[1]), *map(_shown, ratios)
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _summary(known)])


def _figures(rows: Sequence[Mapping[str, Any]], world: str, agent: str) -> Figures:
    return {row["metric"]: row for row in rows if (row["world"], row["agent"]) == (world, agent)}


def _best(agents: Mapping[str, Figures]) -> tuple[str, Figures | None]:
    """The baseline with the fewest steps to the threshold; among those that don't reach it, the one with the highest return."""
    if not agents:
        return NOT_MEASURED, None

    def order(name: str) -> tuple[bool, float]:
        steps = agents[name]["steps_to_threshold"]["value"]
        return steps is None, -agents[name]["episode_return"]["value"] if steps is None else steps

    name = min(agents, key=order)
    return name.upper(), agents[name]


def _agent_cells(found: Figures | None) -> tuple[str, str, str]:
    """Return, seeds that reached the threshold, and steps to it."""
    if found is None:
        return (NOT_MEASURED,) * 3
    reached, steps = found["reached_rate"], found["steps_to_threshold"]
    many = "never" if steps["value"] is None else f"{steps['value']:,.0f} [{_bound(steps['low'])}, {_bound(steps['high'])}]"
    shown_return = f"{found['episode_return']['value']:.1f}"
    return shown_return, f"{round(reached['value'] * reached['n'])} of {reached['n']}", many


def _bound(value: float | None) -> str:
    return "never" if value is None else f"{value:,.0f}"


def _ratio(ours: Figures | None, theirs: Figures | None, metric: str, spent: str) -> Ratio | None:
    """Forethought's figure over the baseline's; over what the baseline spent where that never reached the threshold.

    It is infinite where only the baseline reached the threshold; there is none where neither did.
    """
    if ours is None or theirs is None:
        return None
    reached = [each["steps_to_threshold"]["value"] is not None for each in (ours, theirs)]
    if not reached[0]:
        return (math.inf, False) if reached[1] else None
    above, below = ours[metric]["value"], theirs[metric]["value"] if reached[1] else _spent(theirs, spent)
    return None if above is None or below is None else (above / below, not reached[1])


def _spent(found: Figures, what: str) -> float:
    row = found["episode_return"] if what == "train_steps" else found[what]
    return float(row["train_steps"] if what == "train_steps" else row["value"])


def _shown(ratio: Ratio | None) -> str:
    if ratio is None:
        return "–"
    return "never" if math.isinf(ratio[0]) else f"{'below ' if ratio[1] else ''}{ratio[0]:.2g}"


def _summary(known: Sequence[Sequence[Ratio]]) -> str:
    """The medians over worlds, with the number of worlds."""
    if not known[0]:
        return "No world has both yet."
    medians = [
        f"{name} {_shown((median(ratio for ratio, _ in found), False))}"
        for name, found in zip(HEADINGS[-len(SPENT) :], known, strict=True) if found
    ]  # fmt: skip
    return f"Median over the {len(known[0])} worlds that have both, of {len(CONTROL_WORLDS)}: {', '.join(medians)}."
