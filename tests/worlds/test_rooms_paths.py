"""Shortest paths, against a flood fill on a fine grid that knows nothing of doors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forethought.worlds.random_streams import as_seeds, uniform
from forethought.worlds.rooms.layout import HIGH, LOW, SPEED, Layout, draw_layout, make_plan, place
from forethought.worlds.rooms.options import STEPS, LayoutName
from forethought.worlds.rooms.paths import find_route, make_roadmap

GRID = 0.25
LANES = 5


def flood(layout: Layout, start: NDArray[np.float64], goal: NDArray[np.float64]) -> float:
    """Steps from start to goal in copy 0 by king's moves on a grid (the ball of Chebyshev's distance is a square)."""
    plan = layout.plan
    axis = np.arange(LOW, HIGH + GRID / 2, GRID)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    free = np.ones_like(x, dtype=np.bool_)
    for wall, direction in enumerate(plan.wall_axis):
        along, across = (x, y) if direction == 0 else (y, x)
        slab = np.abs(along - layout.offsets[0, wall]) < plan.reach
        for door in np.flatnonzero((plan.door_wall == wall) & ~layout.shut[0]):
            slab &= np.abs(across - layout.centres[0, door]) > plan.gap
        free &= ~slab
    here, there = (tuple(np.rint((point - LOW) / GRID).astype(int)) for point in (start, goal))
    seen = np.zeros_like(free)
    seen[here] = True
    for moves in range(4 * len(axis)):
        if seen[there]:
            return moves * GRID / SPEED
        wide = seen.copy()
        wide[1:] |= seen[:-1]
        wide[:-1] |= seen[1:]
        tall = wide.copy()
        tall[:, 1:] |= wide[:, :-1]
        tall[:, :-1] |= wide[:, 1:]
        seen = tall & free
    return np.inf


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(STEPS)), st.integers(0, 2**32), st.sampled_from([0.0, 0.6]))
def test_shortest_paths_agree_with_a_flood_fill(layout: LayoutName, seed: int, shut: float) -> None:
    seeds = as_seeds([seed])
    drawn = draw_layout(make_plan(layout), seeds, True, shut if layout != "two" else 0.0)
    rooms = (uniform(seeds, 5, 2) * drawn.plan.rooms).astype(np.int64)
    ends = place(drawn, rooms, uniform(seeds, 6, 2, 2))
    toll = np.where(drawn.shut, np.inf, 0.0)
    steps = find_route(make_roadmap(drawn, toll, LANES), ends[:, 0], ends[:, 1]).steps[0]
    reference = flood(drawn, ends[0, 0], ends[0, 1])
    # The grid is off by up to its spacing at each end and face; lanes by up to half their spacing at each door.
    doors = drawn.plan.rooms if layout == "trip" else 2 * drawn.plan.columns
    assert reference - doors * GRID / SPEED <= steps <= reference + doors * (GRID + drawn.plan.gap / 2) / SPEED


def test_a_route_in_one_room_is_straight_and_through_a_door_it_leads_to_its_face() -> None:
    layout = draw_layout(make_plan("two"), as_seeds([0]), False, 0.0)
    roadmap = make_roadmap(layout, np.zeros((1, 1)), 1)
    same = find_route(roadmap, np.array([[10.0, 10]]), np.array([[20.0, 50]]))
    assert same.steps[0] == pytest.approx(40 / SPEED)
    assert same.waypoint.tolist() == [[20, 50]]
    across = find_route(roadmap, np.array([[10.0, 50]]), np.array([[50.0, 50]]))
    assert across.waypoint[0] == pytest.approx([29.8, 20])
    assert across.steps[0] == pytest.approx((30 + 4.4 + 30) / SPEED)
    aligned = find_route(roadmap, np.array([[28.0, 21]]), np.array([[50.0, 50]]))
    assert aligned.waypoint[0] == pytest.approx([34.2, 20])


def test_a_shut_door_leaves_no_way_and_a_toll_is_paid() -> None:
    layout = draw_layout(make_plan("two"), as_seeds([0]), False, 0.0)
    here, there = np.array([[10.0, 20]]), np.array([[50.0, 20]])
    free, dear, shut = (find_route(make_roadmap(layout, np.array([[toll]]), 1), here, there) for toll in (0.0, 21.45, np.inf))
    assert dear.steps[0] == pytest.approx(free.steps[0] + 10)
    assert np.isinf(shut.steps[0])
    assert shut.waypoint.tolist() == here.tolist()


def test_more_lanes_never_lengthen_the_way() -> None:
    seeds = as_seeds(range(50))
    layout = draw_layout(make_plan("nine"), seeds, True, 0.3)
    ends = place(layout, (uniform(seeds, 5, 2) * 9).astype(np.int64), uniform(seeds, 6, 2, 2))
    toll = np.where(layout.shut, np.inf, 0.0)
    one, three = (find_route(make_roadmap(layout, toll, lanes), ends[:, 0], ends[:, 1]).steps for lanes in (1, 3))
    assert (three <= one + 1e-9).all()
    assert (three < one - 0.1).any()
