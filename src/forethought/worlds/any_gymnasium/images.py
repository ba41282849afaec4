"""Images in observations and renderings: where their axes are, how many frames they stack, and RGB uint8 of each frame.

Letters of a layout: h and w are height and width, c the colour channels (1, 3 or 4), f frames that are stacked, oldest first.
`fc` on one axis means that colour frames are joined along it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Layout = Literal["hw", "hwc", "chw", "hwf", "fhw", "hw(fc)", "(fc)hw", "fhwc", "fchw", "hwcf"]

COLOURS = (1, 3, 4)
LEAST_SIDE = 8
"""Shortest side of a uint8 image."""
LEAST_SIDE_OF_FLOATS = 16
"""Shortest side of an image of another dtype: smaller arrays are numbers."""
LEAST_SIDE_OF_STACKS = 24
"""Shortest side where the number of channels is not 1, 3 or 4: smaller arrays are planes of symbols."""
MOST_CHANNELS = 32

_TO_FRAMES: dict[Layout, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "hw": lambda image: image[None, :, :, None],
    "hwc": lambda image: image[None],
    "chw": lambda image: image.transpose(1, 2, 0)[None],
    "hwf": lambda image: image.transpose(2, 0, 1)[..., None],
    "fhw": lambda image: image[..., None],
    "hw(fc)": lambda image: image.reshape(*image.shape[:2], -1, 3).transpose(2, 0, 1, 3),
    "(fc)hw": lambda image: image.reshape(-1, 3, *image.shape[1:]).transpose(0, 2, 3, 1),
    "fhwc": lambda image: image,
    "fchw": lambda image: image.transpose(0, 2, 3, 1),
    "hwcf": lambda image: image.transpose(3, 0, 1, 2),
}

_SIDES: dict[Layout, tuple[int, int]] = {
    "hw": (0, 1), "hwc": (0, 1), "hwf": (0, 1), "hw(fc)": (0, 1), "hwcf": (0, 1),
    "chw": (1, 2), "fhw": (1, 2), "(fc)hw": (1, 2), "fhwc": (1, 2), "fchw": (2, 3),
}  # fmt: skip


def layout_of(space: spaces.Space[Any]) -> Layout | None:
    """Layout of the images in a space; None where it holds no images.

    Images are Boxes of uint8 with sides of 8 or more, or of other numbers with one finite low and one finite high (floats in
    [0, 1] or [0, 255], depths) and sides of 16 or more. Booleans are never images.
    """
    if not isinstance(space, spaces.Box) or space.dtype == np.bool_:
        return None
    if space.dtype == np.uint8:
        return _layout(space.shape, LEAST_SIDE)
    return None if range_of(space) is None else _layout(space.shape, LEAST_SIDE_OF_FLOATS)


def range_of(space: spaces.Box) -> tuple[float, float] | None:
    """(low, high) that all entries share; None where they differ or are infinite. uint8 without one range is 0 to 255."""
    if not space.low.size:
        return None
    low, high = float(space.low.min()), float(space.high.max())
    shared = np.isfinite((low, high)).all() and low < high and (space.low == low).all() and (space.high == high).all()
    if shared:
        return low, high
    return (0.0, 255.0) if space.dtype == np.uint8 else None


def sides(layout: Layout) -> tuple[int, int]:
    """The axes of height and width."""
    return _SIDES[layout]


def frames_in(layout: Layout, shape: tuple[int, ...]) -> int:
    """Number of frames that images of this layout and shape stack."""
    axis = {"hwf": 2, "fhw": 0, "hw(fc)": 2, "(fc)hw": 0, "fhwc": 0, "fchw": 0, "hwcf": 3}.get(layout)
    if axis is None:
        return 1
    return shape[axis] // 3 if "(fc)" in layout else shape[axis]


def frame_of(image: NDArray[Any], layout: Layout, index: int | None = None) -> NDArray[Any]:
    """One of the frames of an image, [h, w, c]; 0: the oldest; None: the newest.

    Four grey frames of which the last is 255 everywhere are one RGBA image (opaque), which is then the newest.
    """
    frames: NDArray[Any] = _TO_FRAMES[layout](image)
    if index is None and frames.shape[0] == 4 and frames.shape[3] == 1 and (frames[3] == 255).all():
        frames = frames[..., 0].transpose(1, 2, 0)[None]
    one: NDArray[Any] = frames[-1 if index is None else index]
    return one


def as_bytes(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values from `low` to `high` as uint8, 0 to 255. Integers from 0 to 255 stay as they are."""
    if np.issubdtype(image.dtype, np.integer) and (low, high) == (0, 255):
        return image.astype(np.uint8)
    return np.rint((image.astype(np.float64) - low) * (255 / (high - low))).astype(np.uint8)


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a greyscale [h, w], one-channel or RGBA image to RGB [h, w, 3]."""
    if image.ndim == 2:
        image = image[:, :, None]
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else np.ascontiguousarray(image[:, :, :3])


def _layout(shape: tuple[int, ...], least: int) -> Layout | None:
    if len(shape) == 2:
        return "hw" if min(shape) >= least else None
    if len(shape) == 3:
        return _layout_of_three(shape, least)
    if len(shape) == 4:
        four: tuple[tuple[Layout, int], ...] = (("fhwc", 3), ("fchw", 1), ("hwcf", 2))
        for layout, channels in four:
            if shape[channels] in COLOURS and min(shape[axis] for axis in _SIDES[layout]) >= least:
                return layout
    return None


def _layout_of_three(shape: tuple[int, ...], least: int) -> Layout | None:
    last: tuple[Layout, Layout, Layout] = ("hwc", "hw(fc)", "hwf")
    first: tuple[Layout, Layout, Layout] = ("chw", "(fc)hw", "fhw")
    for axis, (one, colours, greys) in ((2, last), (0, first)):
        channels, side = shape[axis], min(shape[:axis] + shape[axis + 1 :])
        if channels in COLOURS and side >= least:
            return greys if channels == 4 else one
        if channels < side and channels <= MOST_CHANNELS and side >= max(least, LEAST_SIDE_OF_STACKS):
            return colours if channels % 3 == 0 else greys
    return None
