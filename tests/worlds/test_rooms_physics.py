"""Bodies slide and never pass a wall, whatever they try."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forethought.worlds.random_streams import as_seeds, uniform
from forethought.worlds.rooms.layout import HIGH, LOW, SPEED, Layout, draw_layout, make_plan, place, room_of
from forethought.worlds.rooms.options import STEPS, LayoutName
from forethought.worlds.rooms.physics import in_doorway, move, settle

Array = NDArray[np.float64]


def two_rooms() -> tuple[Layout, NDArray[np.bool_]]:
    """Wall at x = 32, door at y = 20; faces at 29.8 and 34.2, opening from 16.2 to 23.8."""
    return draw_layout(make_plan("two"), as_seeds([0]), False, 0.0), np.ones((1, 1), dtype=np.bool_)


def walk(start: tuple[float, float], *steps: tuple[float, float], open_door: bool = True) -> list[float]:
    layout, passable = two_rooms()
    body = np.array([[start]], dtype=float)
    for step in steps:
        body = move(layout, passable & open_door, body, np.array([[step]], dtype=float))
    return body[0, 0].tolist()


def test_free_motion_is_the_sum_of_its_steps() -> None:
    assert walk((10, 10), (2, 1), (1, -3)) == pytest.approx([13, 8])


def test_a_wall_stops_one_axis_and_lets_the_other_slide() -> None:
    assert walk((29, 40), (2.1, 2.1)) == pytest.approx([29.8, 42.1])
    assert walk((35, 40), (-9, -2.1)) == pytest.approx([34.2, 37.9])


def test_a_door_lets_through_and_its_posts_hold() -> None:
    assert walk((29, 20), *[(2.0, 0)] * 4) == pytest.approx([37, 20])
    assert walk((32, 20), (0, 9)) == pytest.approx([32, 23.8])
    assert walk((29, 20), *[(2.0, 0)] * 4, open_door=False) == pytest.approx([29.8, 20])
    assert walk((29, 24.5), (2.0, 0)) == pytest.approx([29.8, 24.5])


def test_the_outer_walls_hold() -> None:
    assert walk((7, 57), (-5, 5)) == pytest.approx([LOW, HIGH])


def crossings(layout: Layout, passable: NDArray[np.bool_], before: Array, after: Array) -> bool:
    """Whether a body changed rooms elsewhere than through a doorway that is open."""
    rooms = room_of(layout, before) != room_of(layout, after)
    doorway = (in_doorway(layout, before) | in_doorway(layout, after)) & passable
    return bool((rooms & ~doorway.any(1)).any())


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(sorted(STEPS)), st.integers(0, 2**32), st.floats(0, 1), st.floats(0.2, 1))
def test_random_walks_never_cross_a_wall(layout: LayoutName, seed: int, shut: float, push: float) -> None:
    num = 16
    seeds = as_seeds(range(seed, seed + num))
    drawn = draw_layout(make_plan(layout), seeds, True, shut)
    passable = ~drawn.shut
    room = (uniform(seeds, 7, 1) * drawn.plan.rooms).astype(np.int64)
    body = place(drawn, room, uniform(seeds, 8, 1, 2))
    for step in range(30):
        # A bias keeps bodies pressed into corners and against walls, where mistakes would show.
        by = SPEED * np.clip(2 * uniform(seeds, 100 + step, 1, 2) - 1 + push * (1 if step // 10 % 2 else -1), -1, 1)
        moved = move(drawn, passable, body, by)
        assert not crossings(drawn, passable, body[:, 0], moved[:, 0])
        assert np.abs(moved - body).max() <= SPEED + 1e-9
        for wall, axis in enumerate(drawn.plan.wall_axis):
            depth = np.abs(moved[:, 0, axis] - drawn.offsets[:, wall])
            inside = depth < drawn.plan.reach - 1e-9
            assert (~inside | (in_doorway(drawn, moved[:, 0]) & passable).any(1)).all()
        body = moved


def test_no_step_is_long_enough_to_tunnel() -> None:
    assert walk((10, 50), (500, 0)) == pytest.approx([29.8, 50])


def test_bodies_of_a_copy_do_not_disturb_one_another() -> None:
    layout, passable = two_rooms()
    bodies, by = np.array([[[10.0, 10], [29, 40], [32, 20]]]), np.array([[[1.0, 1], [5, 0], [0, 9]]])
    together = move(layout, passable, bodies, by)
    for i in range(3):
        assert np.array_equal(together[:, i : i + 1], move(layout, passable, bodies[:, i : i + 1], by[:, i : i + 1]))


def test_settle_moves_out_of_walls_only() -> None:
    layout, passable = two_rooms()
    for given_place, wanted in (
        ((31.0, 50.0), (29.8, 50.0)),
        ((32.5, 50.0), (34.2, 50.0)),
        ((32.0, 20.0), (32.0, 20.0)),
        ((10.0, 10.0), (10.0, 10.0)),
        ((0.0, 64.0), (LOW, HIGH)),
    ):
        assert settle(layout, passable, np.array([given_place]))[0].tolist() == pytest.approx(wanted)
    assert settle(layout, ~passable, np.array([[32.5, 20.0]]))[0].tolist() == pytest.approx([34.2, 20.0])
