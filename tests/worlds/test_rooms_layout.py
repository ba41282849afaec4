"""Layouts: where walls and doors may be, and that no room is ever cut off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forethought.worlds.painting import SUCCESS_RADIUS
from forethought.worlds.random_streams import as_seeds, uniform
from forethought.worlds.rooms.layout import (
    BODY,
    HIGH,
    LOW,
    SPEED,
    connected,
    draw_layout,
    make_plan,
    opposite_room,
    place,
    room_bounds,
    room_of,
    spanning_tree,
)
from forethought.worlds.rooms.options import STEPS, LayoutName

LAYOUTS = st.sampled_from(sorted(STEPS))
ROOMS_DOORS = [("two", 2, 1), ("four", 4, 4), ("nine", 9, 12), ("sixteen", 16, 24), ("trip", 16, 19)]


@pytest.mark.parametrize(("layout", "rooms", "doors"), ROOMS_DOORS)
def test_rooms_and_doors_are_counted_right_and_the_agent_fits(layout: LayoutName, rooms: int, doors: int) -> None:
    plan = make_plan(layout)
    assert (plan.rooms, plan.doors) == (rooms, doors)
    assert plan.gap > BODY
    assert 2 * plan.reach > SPEED


@settings(max_examples=40, deadline=None)
@given(LAYOUTS, st.integers(0, 2**32), st.floats(0, 1))
def test_shut_doors_never_disconnect(layout: LayoutName, seed: int, shut: float) -> None:
    drawn = draw_layout(make_plan(layout), as_seeds([seed, seed + 1]), True, shut)
    assert (connected(drawn.plan, ~drawn.shut) == 0).all()


def test_all_doors_outside_the_tree_shut_at_probability_one_and_the_tree_varies() -> None:
    drawn = draw_layout(make_plan("nine"), as_seeds(range(200)), True, 1.0)
    assert ((~drawn.shut).sum(1) == drawn.plan.rooms - 1).all()
    assert drawn.shut.mean(0).min() > 0.1
    assert len(np.unique(drawn.shut, axis=0)) > 100


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_a_spanning_tree_has_no_cycle(seed: int) -> None:
    plan = make_plan("sixteen")
    tree = spanning_tree(plan, uniform(as_seeds([seed]), 0, plan.doors))
    assert tree.sum() == plan.rooms - 1
    assert (connected(plan, tree) == 0).all()


def test_a_trips_buildings_are_joined_by_three_doors_in_a_row() -> None:
    plan = make_plan("trip")
    open_but = np.ones((4, plan.doors), dtype=np.bool_)
    for row, door in enumerate(plan.bridges, 1):
        open_but[row, door] = False
    label = connected(plan, open_but)
    assert [len(np.unique(part)) for part in label] == [1, 2, 2, 2]
    assert [np.bincount(part == 0).tolist()[1] for part in label] == [16, 4, 8, 12]
    assert np.array_equal(opposite_room(opposite_room(np.arange(16))), np.arange(16))
    without = connected(plan, np.isin(np.arange(plan.doors), plan.bridges, invert=True)[None])[0]
    assert (without[opposite_room(np.arange(16))] == without).all(), "across the same building"
    beside = {frozenset(rooms) for rooms in plan.door_rooms.tolist()}
    assert not any(frozenset((room, room ^ 5)) in beside for room in range(16))


def test_connected_tells_parts_apart() -> None:
    plan = make_plan("four")
    passable = np.zeros((1, 4), dtype=np.bool_)
    passable[0, 0] = True
    assert connected(plan, passable).tolist() == [[0, 0, 2, 3]]


@settings(max_examples=40, deadline=None)
@given(LAYOUTS, st.integers(0, 2**32))
def test_doors_open_into_both_rooms_they_join(layout: LayoutName, seed: int) -> None:
    drawn = draw_layout(make_plan(layout), as_seeds([seed]), True, 0.0)
    plan = drawn.plan
    low, high = room_bounds(plan, drawn.offsets, plan.reach)
    for door, (axis, wall) in enumerate(zip(plan.door_axis, plan.door_wall, strict=True)):
        for side, room in enumerate(plan.door_rooms[door]):
            assert drawn.centres[0, door] - plan.gap >= low[0, room, 1 - axis]
            assert drawn.centres[0, door] + plan.gap <= high[0, room, 1 - axis]
            point = np.zeros((1, 2))
            point[0, axis] = drawn.offsets[0, wall] + (2 * side - 1) * plan.reach
            point[0, 1 - axis] = drawn.centres[0, door]
            assert room_of(drawn, point).tolist() == [room]


def test_two_rooms_vary_within_their_documented_range_or_stay_fixed() -> None:
    seeds = as_seeds(range(500))
    moving, fixed = draw_layout(make_plan("two"), seeds, True, 0.0), draw_layout(make_plan("two"), seeds, False, 0.0)
    for values, low, high in ((moving.offsets, 22, 42), (moving.centres, 12, 52)):
        assert low <= values.min() < low + 1
        assert high - 1 < values.max() <= high
    assert (fixed.offsets == 32).all()
    assert (fixed.centres == 20).all()


@settings(max_examples=40, deadline=None)
@given(LAYOUTS, st.integers(0, 2**32))
def test_places_are_in_their_room_and_cannot_be_reached_through_a_wall(layout: LayoutName, seed: int) -> None:
    seeds = as_seeds([seed])
    drawn = draw_layout(make_plan(layout), seeds, True, 0.0)
    rooms = np.arange(drawn.plan.rooms)[None]
    points = place(drawn, rooms, uniform(seeds, 9, drawn.plan.rooms, 2))
    for room in rooms[0]:
        assert room_of(drawn, points[:, room]).tolist() == [room]
    assert points.min() >= LOW + 1
    assert points.max() <= HIGH - 1
    for wall, axis in enumerate(drawn.plan.wall_axis):
        assert np.abs(points[0, :, axis] - drawn.offsets[0, wall]).min() + drawn.plan.reach > SUCCESS_RADIUS
