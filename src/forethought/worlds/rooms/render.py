"""Rendering of walls, doors and discs for all copies at once. Edges are anti-aliased, so that sub-pixel positions show.

Pixel (row i, column j) covers [j, j + 1] x [i, i + 1]. The static background is rendered once per episode, and again when a
door changes. Each frame copies it and draws small patches on the copy.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forethought.worlds.painting import FLOOR, SIZE, WALL, Bools, Floats, Pixels, coverage, patches, to_pixels
from forethought.worlds.random_streams import Seeds, as_seeds, bits, counter, normal
from forethought.worlds.rooms.layout import BORDER, Layout

LEAF = (150, 120, 90)
BALL = (46, 110, 224)
HAZARD = (190, 130, 220)
FOOD = (40, 160, 84)
KEYS = ((232, 168, 0), (0, 170, 190), (240, 110, 180))
VEIL = (120, 90, 160)
UNSEEN = -2
"""Colour index of a gate whose state is not yet visible."""
FOG = (128, 132, 140)

BALL_DISC = (1.6, 3.0)
ITEM_DISC = (0.9, 2.3)

SEED_FRAME_NOISE, SEED_PATTERN = 40, 41
_NOISE_TABLE = 1 << 20


# From floor to wall in 256 shades.
_SHADES = np.rint(np.linspace(FLOOR, WALL, 256)).astype(np.uint8)


def draw_background(layout: Layout, leaf: Bools, lock: NDArray[np.int64]) -> Pixels:
    """Static background with floor, walls and door leaves, [N, SIZE, SIZE, 3].

    Args:
        layout: walls and doors.
        leaf: bool [N, E], whether a door is closed: its opening then shows a leaf.
        lock: int [N, E], colour of the leaf: an index into KEYS for a locked door, -1 for a plain door, or `UNSEEN`.
    """
    plan = layout.plan
    slab = coverage(layout.offsets - plan.thick, layout.offsets + plan.thick)
    upright = slab[:, plan.wall_axis == 0].sum(1)
    level = slab[:, plan.wall_axis == 1].sum(1)
    frame = 1.0 - coverage(np.array(BORDER), np.array(SIZE - BORDER))
    frame = np.maximum(frame[:, None], frame[None, :])
    walls = np.maximum(np.maximum(upright[:, None, :], level[:, :, None]), frame)
    thickness = slab[:, plan.door_wall]
    opening = coverage(layout.centres - plan.door, layout.centres + plan.door)
    vertical = (plan.door_axis == 0)[None, :, None]
    door_x, door_y = np.where(vertical, thickness, opening), np.where(vertical, opening, thickness)
    walls = np.clip(walls - np.swapaxes(door_y, 1, 2) @ door_x, 0.0, 1.0)
    picture: Pixels = _SHADES[np.rint(255 * walls).astype(np.uint8)]
    for e in range(plan.doors):
        rows = np.flatnonzero(leaf[:, e])
        if len(rows):
            colour = np.array([*KEYS, VEIL, LEAF], np.float32)[lock[rows, e]]
            _hang_leaf(picture, rows, door_x[rows, e], door_y[rows, e], colour)
    return picture


def _hang_leaf(
    picture: Pixels,
    rows: NDArray[np.intp],
    covers_x: NDArray[np.float32],
    covers_y: NDArray[np.float32],
    colour: NDArray[np.float32],
) -> None:
    """Render one door's leaf in the copies `rows` [M]: its coverage of each pixel per axis [M, SIZE], its colour [M, 3]."""
    first_x, first_y = (covers_x > 0).argmax(1), (covers_y > 0).argmax(1)
    width, height = int((covers_x > 0).sum(1).max()), int((covers_y > 0).sum(1).max())
    first_x, first_y = np.minimum(first_x, SIZE - width), np.minimum(first_y, SIZE - height)
    x, y = first_x[:, None] + np.arange(width), first_y[:, None] + np.arange(height)
    alpha = np.take_along_axis(covers_y, y, 1)[:, :, None] * np.take_along_axis(covers_x, x, 1)[:, None, :]
    pixels, where = patches(picture, rows, x, y)
    # The opening's share of each pixel is floor so far; only this share gets the colour of the leaf.
    pixels[where] = to_pixels(pixels[where] + alpha[..., None] * (colour[:, None, None] - np.array(FLOOR, np.float32)))


def episode_pattern(seeds: Seeds, std: float) -> NDArray[np.float32]:
    """A noise pattern that is constant over the episode, float32 [N, SIZE, SIZE, 3]."""
    return (std * normal(seeds, counter(SEED_PATTERN), SIZE, SIZE, 3)).astype(np.float32)


class Fog:
    """A round visible window around the agent, with a soft edge of 2 px; the rest of the picture has one colour."""

    def __init__(self, radius: float) -> None:
        """Radius of the window in pixels."""
        ring = np.arange(-SIZE, SIZE)
        distance = np.hypot(ring[:, None], ring[None, :])
        clear = np.rint(256 * np.clip((radius + 1.0 - distance) / 2.0, 0.0, 1.0)).astype(np.uint16)
        # The channels are adjacent in memory, so that slicing, products and sums run over long rows.
        alpha = np.repeat(clear, 3, axis=1)
        veil = (np.uint16(256) - alpha) * np.tile(np.array(FOG, np.uint16), 2 * SIZE)
        self._alpha, self._veil = (sliding_window_view(table, (SIZE, 3 * SIZE)) for table in (alpha, veil))

    def cover(self, picture: Pixels, centres: Floats) -> Pixels:
        """Pictures [N, SIZE, SIZE, 3] behind windows at centres [N, 2], rounded to pixels."""
        corner = SIZE - np.clip(np.floor(centres), 0, SIZE - 1).astype(np.int64)
        window = (corner[:, 1], 3 * corner[:, 0])
        seen = self._alpha[window]
        seen *= picture.reshape(seen.shape)
        seen += self._veil[window]
        seen >>= 8
        return seen.astype(np.uint8).reshape(picture.shape)


@functools.cache
def _normal_table() -> NDArray[np.float32]:
    """Normal samples, shared by all worlds of the process."""
    table: NDArray[np.float32] = normal(as_seeds([0]), counter(SEED_FRAME_NOISE), _NOISE_TABLE)[0].astype(np.float32)
    table.flags.writeable = False
    return table


class FrameNoise:
    """Normal noise of each frame: a window at a random offset of one long table of normal samples.

    It is many times faster than 12,288 new samples per frame. The windows of two frames overlap with probability 2 %, and
    almost never at the same position of the picture. The noise is rounded to whole units, and the sums are clipped.
    """

    def __init__(self, std: float) -> None:
        """Standard deviation in 0..255 units."""
        table = np.rint(std * _normal_table()).astype(np.int16)
        self._windows = sliding_window_view(table, SIZE * SIZE * 3)

    def add(self, picture: Pixels, seeds: Seeds, step: int) -> Pixels:
        """Pictures with the noise of step `step` added."""
        place = bits(seeds, counter(SEED_FRAME_NOISE, step), 1)[:, 0] % np.uint64(len(self._windows))
        noisy = self._windows[place.astype(np.int64)].reshape(picture.shape) + picture
        return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
