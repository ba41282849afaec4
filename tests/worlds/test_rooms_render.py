"""The picture shows what is there, where it is, to a fraction of a pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forethought.worlds import painting
from forethought.worlds.random_streams import as_seeds
from forethought.worlds.rooms import render
from forethought.worlds.rooms.layout import draw_layout, make_plan


def share(picture: NDArray[np.uint8], behind: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """How much of each pixel has gone from the background to a colour, [N, 64, 64]."""
    way = np.array(colour) - behind.astype(float)
    return ((picture - behind.astype(float)) * way).sum(-1) / (way**2).sum(-1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(6, 58), st.floats(6, 58)), min_size=1, max_size=5))
def test_the_centre_of_the_disc_is_the_position(places: list[tuple[float, float]]) -> None:
    layout = draw_layout(make_plan("two"), as_seeds(range(len(places))), True, 0.0)
    none = np.zeros((len(places), 1), dtype=np.bool_)
    behind = render.draw_background(layout, none, none.astype(np.int64) - 1)
    picture = behind.copy()
    painting.stamp(picture, np.array(places), painting.AGENT_DISC, painting.AGENT)
    alpha = share(picture, behind, painting.AGENT)
    middle = np.arange(64) + 0.5
    found = np.stack([alpha.sum(1) @ middle, alpha.sum(2) @ middle], -1) / alpha.sum((1, 2))[:, None]
    assert np.abs(found - places).max() < 0.06
    assert alpha.sum((1, 2)) == pytest.approx(np.full(len(places), 14.8), rel=0.05)


def test_walls_are_anti_aliased_and_the_gap_is_as_wide_as_the_door() -> None:
    layout = draw_layout(make_plan("two"), as_seeds(range(40)), True, 0.0)
    none = np.zeros((40, 1), dtype=np.bool_)
    background = render.draw_background(layout, none, none.astype(np.int64) - 1)
    floor, wall = np.array(painting.FLOOR, float), np.array(painting.WALL, float)
    dark = ((floor - background) @ (floor - wall)) / ((floor - wall) ** 2).sum()
    inner = dark[:, 4:60, 4:60]
    area = inner.sum((1, 2))
    assert area == pytest.approx(np.full(40, 3.0 * (56 - 9.0)), rel=0.01)
    column = inner.sum(1) @ (np.arange(4, 60) + 0.5) / area
    assert column == pytest.approx(layout.offsets[:, 0], abs=0.03)
    missing = 1 - inner.sum(2) / 3.0
    assert missing @ (np.arange(4, 60) + 0.5) / missing.sum(1) == pytest.approx(layout.centres[:, 0], abs=0.05)
    assert (dark[:, :4] > 0.99).all()


def test_a_leaf_fills_the_opening_with_its_colour() -> None:
    layout = draw_layout(make_plan("four"), as_seeds([3]), True, 0.0)
    lock = np.array([[0, -1, 1, -1]])
    pictures = [render.draw_background(layout, np.full((1, 4), shut), lock) for shut in (False, True)]
    for door, colour in enumerate((render.KEYS[0], render.LEAF, render.KEYS[1], render.LEAF)):
        point = np.empty(2)
        axis = layout.plan.door_axis[door]
        point[axis], point[1 - axis] = layout.offsets[0, layout.plan.door_wall[door]], layout.centres[0, door]
        x, y = np.floor(point).astype(int)
        assert np.abs(pictures[0][0, y, x].astype(int) - painting.FLOOR).max() <= 1
        assert np.abs(pictures[1][0, y, x].astype(int) - colour).max() <= 1
    changed = (pictures[0] != pictures[1]).any(-1).sum()
    assert 4 * 3 * 8 <= changed <= 4 * 5 * 10


def test_fog_hides_what_is_far_and_nothing_that_is_near() -> None:
    picture = np.full((2, 64, 64, 3), 200, np.uint8)
    places = np.array([[10.5, 50.5], [32.5, 32.5]])
    seen = render.Fog(12.0).cover(picture, places)
    middle = np.arange(64) + 0.5
    for i, (x, y) in enumerate(places):
        distance = np.hypot(middle[None] - x, middle[:, None] - y)
        assert (seen[i][distance < 10.5] == 200).all()
        assert (seen[i][distance > 13.5] == render.FOG).all()


def test_frame_noise_has_its_deviation_and_differs_between_frames_and_copies() -> None:
    noise = render.FrameNoise(10.0)
    grey = np.full((3, 64, 64, 3), 128, np.uint8)
    first, second = noise.add(grey, as_seeds([1, 2, 3]), 1), noise.add(grey, as_seeds([1, 2, 3]), 2)
    assert first.astype(float).std() == pytest.approx(10, rel=0.03)
    assert first.mean() == pytest.approx(128, abs=0.3)
    for a, b in ((first[0], first[1]), (first[0], second[0])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.06
    assert np.array_equal(first, noise.add(grey, as_seeds([1, 2, 3]), 1))
