from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from forethought.report.drawing import Canvas, enlargement, picture_uri
from forethought.report.palette import ABOVE, GOAL, IMAGINED, rgb


def test_points_land_where_the_picture_coordinates_say() -> None:
    canvas = Canvas(np.full((16, 24, 3), 255, np.uint8), 10)
    canvas.dot(20.5, 3.5, IMAGINED, 1.0)
    drawn = canvas.finish()
    assert drawn.shape == (160, 240, 3)
    ys, xs = np.nonzero(np.abs(drawn.astype(int) - rgb(IMAGINED)).sum(-1) < 12)
    np.testing.assert_allclose([xs.mean() + 0.5, ys.mean() + 0.5], [205, 35], atol=0.6)


def test_nothing_drawn_is_the_picture_enlarged_pixel_by_pixel() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(Canvas(picture, 4).finish(), picture.repeat(4, 0).repeat(4, 1))


def test_paths_outside_and_paths_of_one_point_are_fine() -> None:
    canvas = Canvas(np.zeros((8, 8, 3), np.uint8), 4)
    canvas.imagined(np.array([[4.0, 4.0]]))
    canvas.imagined(np.array([[-50.0, 4.0], [60.0, 4.0]]))
    canvas.imagined(np.zeros((0, 2)))
    canvas.seen(np.zeros((0, 2)))
    canvas.goal(None)
    canvas.goal((4.0, 4.0))
    assert np.abs(canvas.finish()[16, 16].astype(int) - rgb(GOAL)).sum() < 30


def test_a_way_leads_from_here_over_its_stops() -> None:
    canvas = Canvas(np.full((64, 64, 3), 255, np.uint8), 4)
    canvas.way(np.array([8.0, 8.0]), np.array([[8.0, 40.0], [50.0, 40.0]]))
    ys, xs = np.nonzero(np.abs(canvas.finish().astype(int) - rgb(ABOVE)).sum(-1) < 150)
    assert (xs.min() // 4, ys.min() // 4) == (7, 7) or (xs.min() // 4, ys.min() // 4) == (7, 8)
    assert (xs.max() // 4, ys.max() // 4) == (49, 40) or (xs.max() // 4, ys.max() // 4) == (50, 40)


def test_enlargement_is_a_whole_factor() -> None:
    assert [enlargement(np.zeros((h, w, 3), np.uint8), 384) for h, w in ((64, 64), (96, 96), (50, 30), (600, 800))] == [
        6,
        4,
        8,
        1,
    ]


def test_a_picture_survives_its_address() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (6, 9, 3)).astype(np.uint8)
    head, content = picture_uri(picture, 18).split(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))[::2, ::2], picture)
