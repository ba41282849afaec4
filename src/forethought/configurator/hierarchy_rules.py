"""How many levels, and of what stride: one where the critic can count the whole path, else enough to see its end."""

from __future__ import annotations

from forethought.config import DataSpec, HierarchyConfig
from forethought.configurator.config_builder import ConfigBuilder
from forethought.configurator.rules import LONG, MOSTLY_LAYOUT
from forethought.data.statistics import StoreStatistics

SHORTEST_STRIDE, LONGEST_STRIDE = 2, 6
"""Steps of the level below in one of a level."""
DENSE = 16384
"""Remembered moments where paths are long."""


def hierarchy(choices: ConfigBuilder, seen: StoreStatistics, data: DataSpec) -> None:
    """Reads the median episode, the variance between episodes and what goals show: levels and strides.

    A task is taken to be as long as half an episode. The highest level should see that far in a few steps, and no stride
    should be long: k = (task length / top horizon)^(1 / (levels - 1)). What the user has said of levels or strides, the rest
    follows.
    """
    horizon, long = choices.planner.upper.horizon, seen.length_median
    chosen = choices.model.hierarchy
    span = long / 2 / horizon
    levels, because = _depth(choices, seen, data, span)
    with choices.because(because):
        chosen.levels = levels
    levels = chosen.levels
    if levels == 1 or data.goals:
        return
    with choices.because("learned levels need no landmarks, and see doors that differ between episodes"):
        chosen.kind = "learned"
    if chosen.kind == "graph":
        return
    if long > 2 * LONG:
        because = (
            f"a subgoal is a remembered place, and paths of {long:g} blocks lead through more than {DENSE // 8} tell apart"
        )
        with choices.because(because):
            chosen.retrieval_size = DENSE
    above = chosen.upper_stride
    wanted = span ** (1 / (levels - 1)) if above is None else span / above ** (levels - 2)
    stride = max(SHORTEST_STRIDE, min(round(wanted), LONGEST_STRIDE))
    while stride > SHORTEST_STRIDE and not _fits(levels, stride, above, long):
        stride -= 1
    sees = horizon * HierarchyConfig(stride=stride, upper_stride=above).span_of(levels)
    with choices.because(
        f"{horizon} steps of level {levels} then see {sees:g} blocks ahead, where half an episode has {long / 2:g}"
    ):
        chosen.stride = stride


def _depth(choices: ConfigBuilder, seen: StoreStatistics, data: DataSpec, span: float) -> tuple[int, str]:
    """Levels, and why; `span`: blocks that one step of the highest should take."""
    long, share, chosen = seen.length_median, seen.between_episodes, choices.model.hierarchy
    if data.goals:
        return 1, f"a goal shows {', '.join(data.goals)} alone, and levels above compare whole states"
    if choices.asked("model.hierarchy.kind") and chosen.kind == "graph":
        return 2, "you asked for a graph, which stands right above level 1"
    if long < LONG:
        return 1, f"episodes of {long:g} blocks are short enough for the critic to count"
    if share > MOSTLY_LAYOUT:
        return 1, f"{share:.0%} of what is seen differs between episodes: paths must be found in layouts never seen before"
    longest, shortest = (chosen.stride,) * 2 if choices.asked("model.hierarchy.stride") else (LONGEST_STRIDE, SHORTEST_STRIDE)
    above = chosen.upper_stride
    strides = HierarchyConfig(stride=longest, upper_stride=above)
    levels = wanted = next((levels for levels in (2, 3) if strides.span_of(levels) >= span), 4)
    while levels > 2 and not _fits(levels, shortest, above, long):
        levels -= 1
    far = f"episodes of {long:g} blocks are longer than the critic counts well"
    if levels == wanted:
        return levels, f"{far}; a few steps of the top see half of one"
    room = _room(levels + 1, shortest, above)
    return levels, f"{far}; level {levels + 1} would learn from {room:g} blocks in a row, which they do not have"


def _fits(levels: int, stride: int, above: int | None, long: float) -> bool:
    """Whether episodes of so many blocks are long enough for the highest level to learn from."""
    return _room(levels, stride, above) <= long


def _room(level: int, stride: int, above: int | None) -> int:
    """Blocks in a row that a level learns from, see `HierarchyConfig.room_of`."""
    return HierarchyConfig(stride=stride, upper_stride=above).room_of(level)
