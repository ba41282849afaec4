"""How many levels, and of what stride: what the data asks for, what the user asks for, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from forethought.config import Configuration, HierarchyConfig
from forethought.config.model_config import STRIDES
from forethought.configurator.hierarchy_rules import SHORTEST_STRIDE
from forethought.errors import ForethoughtError

Configured = Callable[..., Configuration]


def above(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the levels above by their dotted names, those of the model given by their last part alone."""
    return {name if "." in name else f"model.hierarchy.{name}": value for name, value in asked.items()}


def test_long_episodes_of_one_layout_call_for_a_level_above(configured: Configured) -> None:
    short, long = ({"length_median": median, "length_max": 99, "layout": 0.1, "rows": 50_000} for median in (30, 80))
    assert configured(seen=short).model.hierarchy.levels == 1
    above = configured(seen=long)
    assert (above.model.hierarchy.levels, above.model.hierarchy.kind, above.model.hierarchy.stride) == (3, "learned", 3)
    assert "80 blocks" in above.because("model.hierarchy.levels")
    assert above.model.hierarchy.retrieval_size == 2048
    farther = configured(seen={**long, "length_median": 200, "length_max": 200})
    assert farther.model.hierarchy.retrieval_size == 16384, "longer ways lead through more places"
    elsewhere = configured(seen={**long, "layout": 0.9})
    assert elsewhere.model.hierarchy.levels == 1
    assert "90%" in elsewhere.because("model.hierarchy.levels")


def test_goals_that_are_near_need_no_level_above_however_long_the_episodes(configured: Configured) -> None:
    long = {"length_median": 80, "length_max": 99, "layout": 0.1, "rows": 50_000}
    near, far = configured(seen={**long, "task_length": 5}), configured(seen={**long, "task_length": 40})
    assert near.model.hierarchy.levels == 1
    assert "at most 5 blocks" in near.because("model.hierarchy.levels")
    assert far.model.hierarchy == configured(seen=long).model.hierarchy
    asked = configured(seen={**long, "task_length": 5}, overrides={"model.hierarchy.levels": 2})
    assert asked.model.hierarchy.levels == 2


@pytest.mark.parametrize(("blocks", "levels", "stride"), [(40, 2, 5), (200, 3, 5), (400, 4, 4), (4000, 4, 6)])
def test_longer_tasks_call_for_more_levels_of_short_strides(
    configured: Configured, blocks: int, levels: int, stride: int
) -> None:
    found = configured(seen={"length_median": float(blocks), "length_max": blocks, "layout": 0.1}).model.hierarchy
    assert (found.levels, found.stride) == (levels, stride)


@pytest.mark.parametrize(
    ("asked", "levels", "stride", "says"),
    [
        ({"levels": 2}, 2, 6, "4 steps of level 2 cover 24 blocks"),
        ({"levels": 3}, 3, 5, "4 steps of level 3 cover 100 blocks"),
        ({"levels": 4}, 4, 3, "4 steps of level 4 cover 108 blocks"),
        ({"levels": 4, "upper_stride": 2}, 4, 6, "4 steps of level 4 cover 96 blocks"),
        ({"upper_stride": 2}, 4, 6, "4 steps of level 4 cover 96 blocks"),
        ({"stride": 3}, 4, 3, "you asked for it"),
        ({"stride": 12}, 2, 12, "you asked for it"),
        ({"stride": 6}, 3, 6, "you asked for it"),
        ({"stride": 30}, 2, 30, "you asked for it"),
    ],
)
def test_of_levels_and_stride_one_follows_what_was_asked_of_the_other(
    configured: Configured, asked: Mapping[str, int], levels: int, stride: int, says: str
) -> None:
    found = configured(
        seen={"length_median": 200.0, "length_max": 200, "layout": 0.1},
        overrides=above(asked),
    )
    assert (found.model.hierarchy.levels, found.model.hierarchy.stride) == (levels, stride)
    assert says in found.because("model.hierarchy.stride")


@pytest.mark.parametrize("blocks", [40, 60, 80, 100, 200, 400])
@pytest.mark.parametrize(
    "asked",
    [{}, {"planner.upper.horizon": 1}, {"planner.upper.horizon": 2}, {"upper_stride": 20}, {"stride": 7, "upper_stride": 7}],
)
def test_what_is_not_asked_for_fits_the_episodes(configured: Configured, blocks: int, asked: Mapping[str, int]) -> None:
    """No episode of 40 blocks or more is refused for a depth that nobody asked for."""
    found = configured(
        seen={"length_median": float(blocks), "length_max": blocks, "layout": 0.1},
        overrides=above(asked),
    ).model.hierarchy
    assert STRIDES * found.span_of(found.levels) <= blocks


def test_fewer_levels_than_ways_ask_for_are_given_their_true_reason(configured: Configured) -> None:
    seen = {"length_median": 100.0, "length_max": 100, "layout": 0.1}
    found = configured(seen=seen, overrides={"model.hierarchy.upper_stride": 20})
    assert found.model.hierarchy.levels == 2
    room = found.model.hierarchy.model_copy(update={"stride": SHORTEST_STRIDE}).room_of(3)
    assert room > 100
    assert f"level 3 would learn from {room} blocks in a row" in found.because("model.hierarchy.levels")
    assert "see half of one" in configured(seen=seen).because("model.hierarchy.levels")


def test_levels_that_were_asked_for_where_one_would_do_are_learned_ones(configured: Configured) -> None:
    found = configured(seen={"length_median": 30.0, "length_max": 30}, overrides={"model.hierarchy.levels": 2}).model.hierarchy
    assert (found.levels, found.kind, found.stride) == (2, "learned", 4)


@pytest.mark.parametrize("blocks", [30.0, 200.0])
def test_who_asks_for_a_graph_gets_two_levels(configured: Configured, blocks: float) -> None:
    seen = {"length_median": blocks, "length_max": 200, "layout": 0.1, "rows": 50_000}
    found = configured(seen=seen, overrides={"model.hierarchy.kind": "graph"}).model.hierarchy
    assert (found.levels, found.kind) == (2, "graph")


def test_levels_from_the_third_on_may_have_a_stride_of_their_own() -> None:
    alike, other = HierarchyConfig(stride=5), HierarchyConfig(stride=5, upper_stride=2)
    assert [alike.span_of(number) for number in (2, 3, 4)] == [5, 25, 125]
    assert [other.span_of(number) for number in (2, 3, 4)] == [5, 10, 20]
    assert [other.stride_of(number) for number in (2, 3, 4)] == [5, 2, 2]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"levels": 3, "stride": 10}, r"Level 3 with model.hierarchy.stride = 10 learns from 300 blocks in a row, .* has 40"),
        ({"levels": 5}, r"model.hierarchy.levels' can't be 5: input should be less than or equal to 4"),
        ({"macro_dim": 0}, r"model.hierarchy.macro_dim' can't be 0: input should be greater than or equal to 1"),
        (
            {"levels": 4, "stride": 4, "upper_stride": 2},
            r"Level 4 with .* learns from 48 blocks in a row, .* or model.hierarchy.upper_stride",
        ),
        ({"stride": 1}, r"model.hierarchy.stride' can't be 1"),
        (
            {"levels": 3, "kind": "graph"},
            r"model.hierarchy.kind = graph is a search right above level 1: set model.hierarchy.levels = 2",
        ),
        (
            {"planner.upper.search.num_elites": 200},
            r"planner.upper.search: num_elites \(200\) can't be more than num_samples \(100\): set both",
        ),
        (
            {"retrieval_size": 16},
            r"model.hierarchy.retrieval_size \(16\) can't be less than the 50 remembered plans .* set both",
        ),
        (
            {"levels": 2, "kind": "graph", "landmarks": 1001},
            r"model.hierarchy.landmarks = 1001 .* half of the store's 2000 rows",
        ),
        (
            {"planner.upper.search.gradient_steps": 5, "kind": "graph"},
            r"planner.upper.search.gradient_steps = 5 changes .* learned levels above the first, 1 at least",
        ),
        ({"planner.upper.search.gradient_steps": -1}, r"planner.upper.search.gradient_steps' can't be -1"),
    ],
)
def test_levels_that_cannot_be_are_refused_in_a_sentence(configured: Configured, asked: dict[str, object], told: str) -> None:
    seen = {"length_median": 40.0, "length_max": 40, "layout": 0.1}
    with pytest.raises(ForethoughtError, match=told):
        configured(seen=seen, overrides=above(asked))
