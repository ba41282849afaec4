"""Rules for the number of levels and their strides: one level where the critic is accurate over a whole path, else more."""

from __future__ import annotations

from forethought.config import DataSpec, HierarchyConfig
from forethought.configurator.config_builder import ConfigBuilder
from forethought.configurator.rules import LONG, MOSTLY_LAYOUT
from forethought.data.statistics import StoreStatistics

SHORTEST_STRIDE, LONGEST_STRIDE = 2, 6
"""Bounds of a stride: steps of the level below in one step of a level."""
DENSE = 16384
"""Size of the retrieval bank if paths are long."""


def hierarchy(builder: ConfigBuilder, statistics: StoreStatistics, data: DataSpec, hidden: bool = False) -> None:
    """Set levels and strides by the median episode length, the tasks, the layouts and the streams of goals.

    `hidden`: whether one row does not tell what comes next.

    The assumed task length is half an episode, unless the tasks are known to be shorter. A plan of the highest level should
    cover it with equal, short strides: k = (task length / top horizon)^(1 / (levels - 1)). Overrides of levels or strides are
    fixed, and the other settings are derived from them.
    """
    horizon, length = builder.planner.upper.horizon, statistics.length_median
    settings = builder.model.hierarchy
    span = length / 2 / horizon
    levels, because = _depth(builder, statistics, data, span, hidden)
    with builder.because(because):
        settings.levels = levels
    levels = settings.levels
    if levels == 1 or data.goals:
        return
    with builder.because("learned levels need no landmarks, and encode doors that differ between episodes"):
        settings.kind = "learned"
    if settings.kind == "graph":
        return
    if length > 2 * LONG:
        because = f"subgoals are retrieved states, and {DENSE // 8} are too few to cover paths of {length:g} blocks"
        with builder.because(because):
            settings.retrieval_size = DENSE
    above = settings.upper_stride
    ideal = span ** (1 / (levels - 1)) if above is None else span / above ** (levels - 2)
    stride = max(SHORTEST_STRIDE, min(round(ideal), LONGEST_STRIDE))
    while stride > SHORTEST_STRIDE and not _fits(levels, stride, above, length):
        stride -= 1
    reach = horizon * HierarchyConfig(stride=stride, upper_stride=above).span_of(levels)
    with builder.because(f"{horizon} steps of level {levels} cover {reach:g} blocks, where half an episode has {length / 2:g}"):
        settings.stride = stride


def _depth(builder: ConfigBuilder, statistics: StoreStatistics, data: DataSpec, span: float, hidden: bool) -> tuple[int, str]:
    """Number of levels, with its reason; `span`: desired blocks in one step of the highest level."""
    length, share, settings = statistics.length_median, statistics.layout, builder.model.hierarchy
    tasks = statistics.task_length
    if data.goals:
        return 1, f"goals show only {', '.join(data.goals)}, and upper levels need whole states as goals"
    if builder.asked("model.hierarchy.kind") and settings.kind == "graph":
        return 2, "you asked for a graph, which is level 2 and the highest"
    if tasks is not None and 2 * tasks < LONG:
        # Pendulum's 40 blocks gave two levels for goals 5 blocks away: Mode-2 reached fewer of them than Mode-1.
        return 1, f"goals are at most {tasks} blocks from their starts, near enough for an accurate critic"
    if length < LONG:
        return 1, f"episodes of {length:g} blocks are short enough for an accurate critic"
    if hidden:
        return 1, "one row does not tell what comes next, and upper levels see one row"
    if share > MOSTLY_LAYOUT:
        return 1, f"{share:.0%} of the variance lasts an episode: paths must be found in unseen layouts"
    longest, shortest = (settings.stride,) * 2 if builder.asked("model.hierarchy.stride") else (LONGEST_STRIDE, SHORTEST_STRIDE)
    above = settings.upper_stride
    strides = HierarchyConfig(stride=longest, upper_stride=above)
    levels = ideal = next((levels for levels in (2, 3) if strides.span_of(levels) >= span), 4)
    while levels > 2 and not _fits(levels, shortest, above, length):
        levels -= 1
    far = f"episodes of {length:g} blocks exceed the range in which the critic is accurate"
    if levels == ideal:
        return levels, f"{far}; a few steps of the top level see half of one"
    room = _room(levels + 1, shortest, above)
    return levels, f"{far}; level {levels + 1} would learn from {room:g} blocks in a row, which is longer"


def _fits(levels: int, stride: int, above: int | None, length: float) -> bool:
    """Whether episodes of `length` blocks are long enough to train the highest level."""
    return _room(levels, stride, above) <= length


def _room(level: int, stride: int, above: int | None) -> int:
    """Length of a level's training windows in blocks, see `HierarchyConfig.room_of`."""
    return HierarchyConfig(stride=stride, upper_stride=above).room_of(level)
