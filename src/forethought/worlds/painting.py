"""What the built-in worlds draw with: shares of pixels, boxes and discs, anti-aliased, so that sub-pixel places show.

Pixel (row i, column j) covers [j, j + 1] x [i, i + 1]; pictures are uint8 [N, SIZE, SIZE, 3], all copies at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SIZE = 64
SUCCESS_RADIUS = 16 / 224 * SIZE
"""As close as counts as reached: 16 px of 224 (PLDM, eb_jepa and H-JEPA's two and four rooms), 4.57 px of 64."""

FLOOR = (244, 241, 234)
WALL = (40, 46, 62)
AGENT = (220, 24, 56)
AGENT_DISC = (1.2, 3.0)
"""Radius within which a disc is opaque, and beyond which it is not there; half transparent at 2.1 px."""


def felt(position: Floats) -> NDArray[np.float32]:
    """Places [..., 2] in pixels as a body feels them, from -1 to 1."""
    return (2 * position / SIZE - 1).astype(np.float32)


def coverage(low: Floats, high: Floats) -> NDArray[np.float32]:
    """How much of each pixel of a row the interval [low, high] covers: [..., SIZE], 0 to 1."""
    start = np.arange(SIZE)
    shared = np.minimum(high[..., None], start + 1) - np.maximum(low[..., None], start)
    return np.asarray(np.clip(shared, 0.0, 1.0), dtype=np.float32)


def to_pixels(picture: NDArray[np.float32]) -> Pixels:
    """Rounded and clipped to 0..255."""
    return np.asarray(np.clip(picture + 0.5, 0, 255), dtype=np.uint8)


def patches(
    picture: Pixels, rows: NDArray[np.intp], x: NDArray[np.int64], y: NDArray[np.int64]
) -> tuple[Pixels, NDArray[np.int64]]:
    """The pixels as a list [N * SIZE * SIZE, 3], and where in it columns x [M, w] and lines y [M, h] of `rows` are."""
    return picture.reshape(-1, 3), ((rows[:, None] * SIZE + y) * SIZE)[:, :, None] + x[:, None, :]


def stamp(
    picture: Pixels,
    centres: Floats,
    disc: tuple[float, float],
    colour: tuple[int, int, int],
    shown: Bools | None = None,
) -> None:
    """Blend one disc per copy into pictures [N, SIZE, SIZE, 3], in place.

    Args:
        picture: what to draw on; contiguous.
        centres: [N, 2] in pixels; the disc lies wholly within the picture.
        disc: inner and outer radius: opaque within the inner, falling linearly to nothing at the outer.
        colour: of the disc.
        shown: bool [N], copies in which the disc is there; None: all.
    """
    inner, outer = disc
    half = int(np.ceil(outer))
    corner = np.floor(centres).astype(np.int64)
    offset = np.arange(-half, half + 1)
    x, y = corner[:, :1] + offset, corner[:, 1:] + offset
    across, down = x + 0.5 - centres[:, :1], y + 0.5 - centres[:, 1:]
    distance = np.hypot(across[:, None, :], down[:, :, None])
    alpha = np.clip((outer - distance) / (outer - inner), 0.0, 1.0).astype(np.float32)
    if shown is not None:
        alpha *= shown[:, None, None]
    pixels, where = patches(picture, np.arange(len(centres)), x, y)
    patch = pixels[where].astype(np.float32)
    patch += alpha[..., None] * (np.array(colour, np.float32) - patch)
    pixels[where] = to_pixels(patch)


def fill(picture: Pixels, x: tuple[int, int], low: Floats, high: Floats, colour: NDArray[np.float32]) -> None:
    """Blend a box into each picture, in place: whole columns x[0]..x[1] - 1, from `low` to `high` [N] down; colour [N, 3]."""
    part = picture[:, :, x[0] : x[1]].astype(np.float32)
    alpha = coverage(low, high)[:, :, None, None]
    picture[:, :, x[0] : x[1]] = to_pixels(part + alpha * (colour[:, None, None] - part))
