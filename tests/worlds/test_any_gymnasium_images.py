"""Images of every layout become the picture that they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from forethought.worlds.any_gymnasium.images import as_bytes, frame_of, frames_in, layout_of, range_of

H, W = 40, 48
FRAMES = np.random.default_rng(0).integers(0, 200, (4, H, W, 3), dtype=np.uint8)
GREYS = FRAMES[..., 0]


@pytest.mark.parametrize(
    ("image", "layout", "newest", "oldest"),
    [
        (GREYS[3], "hw", GREYS[3][..., None], GREYS[3][..., None]),
        (FRAMES[3], "hwc", FRAMES[3], FRAMES[3]),
        (FRAMES[3].transpose(2, 0, 1), "chw", FRAMES[3], FRAMES[3]),
        (GREYS.transpose(1, 2, 0), "hwf", GREYS[3][..., None], GREYS[0][..., None]),
        (GREYS, "fhw", GREYS[3][..., None], GREYS[0][..., None]),
        (GREYS[2:], "fhw", GREYS[3][..., None], GREYS[2][..., None]),
        (FRAMES.transpose(1, 2, 0, 3).reshape(H, W, 12), "hw(fc)", FRAMES[3], FRAMES[0]),
        (FRAMES.transpose(0, 3, 1, 2).reshape(12, H, W), "(fc)hw", FRAMES[3], FRAMES[0]),
        (FRAMES, "fhwc", FRAMES[3], FRAMES[0]),
        (FRAMES.transpose(0, 3, 1, 2), "fchw", FRAMES[3], FRAMES[0]),
        (FRAMES.transpose(1, 2, 3, 0), "hwcf", FRAMES[3], FRAMES[0]),
    ],
)
def test_every_layout_is_found_and_read(image: np.ndarray, layout: Any, newest: np.ndarray, oldest: np.ndarray) -> None:
    assert layout_of(spaces.Box(0, 255, image.shape, np.uint8)) == layout
    np.testing.assert_array_equal(frame_of(image, layout), newest)
    np.testing.assert_array_equal(frame_of(image, layout, 0), oldest)
    assert frames_in(layout, image.shape) == (1 if layout in ("hw", "hwc", "chw") else 2 if len(image) == 2 else 4)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 255, (7, 7, 3), np.uint8),
        spaces.Box(0, 255, (10, 10, 6), np.uint8),
        spaces.Box(0, 1, (40, 40, 4), np.bool_),
        spaces.Box(-np.inf, np.inf, (40, 40, 3), np.float32),
        spaces.Box(0, 1, (8, 8), np.float32),
        spaces.Box(0, 255, (40, 40, 40), np.uint8),
        spaces.Box(0, 255, (40,), np.uint8),
        spaces.Box(0, 255, (2, 2, 40, 40, 3), np.uint8),
        spaces.Discrete(4),
    ],
)
def test_what_is_no_image(space: spaces.Space[Any]) -> None:
    assert layout_of(space) is None


def test_an_opaque_fourth_channel_is_alpha_and_any_other_is_a_frame() -> None:
    rgba = np.concatenate([FRAMES[0], np.full((H, W, 1), 255, np.uint8)], axis=2)
    np.testing.assert_array_equal(frame_of(rgba, "hwf")[..., :3], FRAMES[0])
    rgba[0, 0, 3] = 254
    assert frame_of(rgba, "hwf").shape == (H, W, 1)


@pytest.mark.parametrize(
    ("low", "high", "dtype"), [(0, 1, np.float32), (-1, 1, np.float64), (0, 255, np.float16), (0, 10, np.int64)]
)
def test_values_fill_the_bytes(low: float, high: float, dtype: Any) -> None:
    space = spaces.Box(low, high, (40, 40), dtype)
    assert layout_of(space) == "hw"
    assert range_of(space) == (low, high)
    assert as_bytes(np.array([low, high], dtype), low, high).tolist() == [0, 255]
