"""The table of `control`: a line per world, Forethought beside the best of the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from forethought_benchmarks.control.control_worlds import CONTROL_WORLDS
from forethought_benchmarks.control.unit import FORETHOUGHT
from forethought_benchmarks.control.zoo import ALGORITHMS

NOT_MEASURED = "not measured"
HEADINGS = (
    "world", "threshold", "return", "seeds", "steps", "baseline", "its return", "its seeds", "its steps", "steps ratio",
    "time ratio",
)  # fmt: skip

Figures = Mapping[str, Mapping[str, Any]]
"""Metric -> row, of one agent in one world."""
Ratio = tuple[float, bool]
"""A ratio, and whether the true one is below it, for the baseline never reached the threshold."""


def control_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A markdown table with all worlds of the benchmark; what has no rows yet is `not measured`."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    steps, times = list[Ratio](), list[Ratio]()
    for world in CONTROL_WORLDS.values():
        agents = {name: found for name in (FORETHOUGHT, *ALGORITHMS) if (found := _figures(rows, world.name, name))}
        ours, best = agents.pop(FORETHOUGHT, None), _best(agents)
        ratios = _ratio(ours, best[1], "steps_to_threshold"), _ratio(ours, best[1], "seconds_to_threshold")
        for ratio, kept in zip(ratios, (steps, times), strict=True):
            kept += [ratio] if ratio else []
        cells = (
            world.name, f"{world.threshold:g}", *_agent_cells(ours), best[0], *_agent_cells(best[1]), *map(_shown, ratios)
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _summary(steps, times)])


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


def _ratio(ours: Figures | None, theirs: Figures | None, metric: str) -> Ratio | None:
    """Forethought's figure over the baseline's; over what the baseline spent where it never reached the threshold."""
    if ours is None or theirs is None or ours[metric]["value"] is None:
        return None
    if theirs[metric]["value"] is not None:
        return ours[metric]["value"] / theirs[metric]["value"], False
    if theirs["steps_to_threshold"]["value"] is not None:
        return None
    spent = theirs[metric]["train_steps"] if metric == "steps_to_threshold" else theirs["wall_seconds"]["value"]
    return ours[metric]["value"] / spent, True


def _shown(ratio: Ratio | None) -> str:
    return "–" if ratio is None else f"{'below ' if ratio[1] else ''}{ratio[0]:.2g}"


def _summary(steps: Sequence[Ratio], times: Sequence[Ratio]) -> str:
    """The medians over worlds, with the number of worlds."""
    if not steps:
        return "No world has both yet."
    parts = [f"{name} {median(ratio for ratio, _ in found):.2g} ({len(found)} worlds)"
             for name, found in (("steps ratio", steps), ("time ratio", times)) if found]  # fmt: skip
    return f"Median over worlds: {', '.join(parts)}."
