"""The picture: walls, doors and discs, anti-aliased, so that sub-pixel positions show. All copies at once.

Pixel (row i, column j) covers [j, j + 1] x [i, i + 1]. The unchanging part of a picture is drawn once an episode (or when a
door moves) and copied; each frame stamps small patches on the copy.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forethought.worlds.random_streams import Seeds, as_seeds, bits, counter, normal
from forethought.worlds.rooms.layout import BORDER, SIZE, Bools, Floats, Layout

Pixels = NDArray[np.uint8]

FLOOR = (244, 241, 234)
WALL = (40, 46, 62)
LEAF = (150, 120, 90)
AGENT = (220, 24, 56)
BALL = (46, 110, 224)
HAZARD = (190, 130, 220)
FOOD = (40, 160, 84)
KEYS = ((232, 168, 0), (0, 170, 190), (240, 110, 180))
FOG = (128, 132, 140)

AGENT_DISC = (1.2, 3.0)
"""Radius within which a disc is opaque, and beyond which it is not there; half transparent at 2.1 px."""
BALL_DISC = (1.6, 3.0)
ITEM_DISC = (0.9, 2.3)

SEED_FRAME_NOISE, SEED_PATTERN = 40, 41
_NOISE_TABLE = 1 << 21


def coverage(low: Floats, high: Floats) -> NDArray[np.float32]:
    """How much of each pixel of a row the interval [low, high] covers: [..., SIZE], 0 to 1."""
    start = np.arange(SIZE)
    shared = np.minimum(high[..., None], start + 1) - np.maximum(low[..., None], start)
    return np.clip(shared, 0.0, 1.0).astype(np.float32)


def draw_background(layout: Layout, leaf: Bools, lock: NDArray[np.int64]) -> NDArray[np.float32]:
    """Floor, walls and door leaves, float32 [N, SIZE, SIZE, 3] in 0..255.

    Args:
        layout: walls and doors.
        leaf: bool [N, E], doors that are closed: a leaf is drawn in the opening.
        lock: int [N, E], colour of a locked door's leaf (index into KEYS), -1 for a plain one.
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
    floor, wall = np.array(FLOOR, np.float32), np.array(WALL, np.float32)
    picture = floor + walls[..., None] * (wall - floor)
    if leaf.any():
        tint = (np.array([*KEYS, LEAF], np.float32)[lock] - floor) * leaf[..., None]
        leaves = door_x[..., None] * tint[:, :, None, :]
        picture += (np.swapaxes(door_y, 1, 2) @ leaves.reshape(len(leaf), plan.doors, -1)).reshape(picture.shape)
    return np.asarray(picture, dtype=np.float32)


def episode_pattern(seeds: Seeds, std: float) -> NDArray[np.float32]:
    """A noise pattern that stays for the episode, float32 [N, SIZE, SIZE, 3]."""
    return (std * normal(seeds, counter(SEED_PATTERN), SIZE, SIZE, 3)).astype(np.float32)


def to_pixels(picture: NDArray[np.float32]) -> Pixels:
    """Rounded and clipped to 0..255."""
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def stamp(
    picture: NDArray[np.uint8] | NDArray[np.float32],
    centres: Floats,
    disc: tuple[float, float],
    colour: tuple[int, int, int],
    shown: Bools | None = None,
) -> None:
    """Blend one disc per copy into pictures [N, SIZE, SIZE, 3], in place.

    Args:
        picture: what to draw on.
        centres: [N, 2] in pixels, within the picture; parts beyond its edge are left out.
        disc: inner and outer radius: opaque within the inner, falling linearly to nothing at the outer.
        colour: of the disc.
        shown: bool [N], copies in which the disc is there; None: all.
    """
    inner, outer = disc
    half = int(np.ceil(outer))
    corner = np.floor(centres).astype(np.int64)
    offset = np.arange(-half, half + 1)
    x, y = corner[:, 0, None] + offset, corner[:, 1, None] + offset
    distance = np.hypot(
        x[:, None, :] + 0.5 - centres[:, 0, None, None], y[:, :, None] + 0.5 - centres[:, 1, None, None]
    )
    alpha = np.clip((outer - distance) / (outer - inner), 0.0, 1.0)
    alpha *= ((x >= 0) & (x < SIZE))[:, None, :] & ((y >= 0) & (y < SIZE))[:, :, None]
    if shown is not None:
        alpha *= shown[:, None, None]
    copies = np.arange(len(centres))[:, None, None]
    where = (copies, np.clip(y, 0, SIZE - 1)[:, :, None], np.clip(x, 0, SIZE - 1)[:, None, :])
    patch = picture[where].astype(np.float32)
    patch += alpha[..., None].astype(np.float32) * (np.array(colour, np.float32) - patch)
    # Pixels beyond the edge were clipped onto the edge: write only what is within, or they would overwrite it.
    inside = ((x >= 0) & (x < SIZE))[:, None, :] & ((y >= 0) & (y < SIZE))[:, :, None]
    target = tuple(np.broadcast_to(axis, inside.shape)[inside] for axis in where)
    rounding = 0.5 if picture.dtype == np.uint8 else 0.0
    picture[target] = (patch + rounding)[inside].astype(picture.dtype)


class Fog:
    """A round window around the agent; beyond it the picture is of one colour, with a soft edge 2 px wide."""

    def __init__(self, radius: float) -> None:
        """Radius of the window in pixels."""
        ring = np.arange(-SIZE, SIZE)
        distance = np.hypot(ring[:, None], ring[None, :])
        alpha = np.clip((radius + 1.0 - distance) / 2.0, 0.0, 1.0).astype(np.float32)
        self._alpha = sliding_window_view((256 * alpha).astype(np.uint16), (SIZE, SIZE))

    def cover(self, picture: Pixels, centres: Floats) -> Pixels:
        """Pictures [N, SIZE, SIZE, 3] seen through windows at centres [N, 2] (to the nearest pixel)."""
        corner = SIZE - np.clip(np.floor(centres), 0, SIZE - 1).astype(np.int64)
        alpha = self._alpha[corner[:, 1], corner[:, 0]][..., None]
        seen = picture * alpha + np.array(FOG, np.uint16) * (np.uint16(256) - alpha)
        return (seen >> 8).astype(np.uint8)


class FrameNoise:
    """Normal noise anew in each frame: windows at random places of one long table of normal numbers.

    Two frames share a stretch of the table with probability 1 %, never in the same place of the picture in practice; drawing
    12,288 fresh normal numbers a frame would cost 30 times as much.
    """

    def __init__(self, std: float) -> None:
        """Standard deviation in 0..255 units."""
        table = std * normal(as_seeds([0]), counter(SEED_FRAME_NOISE), _NOISE_TABLE)[0]
        self._windows = sliding_window_view(np.rint(table).astype(np.int16), SIZE * SIZE * 3)

    def add(self, picture: Pixels, seeds: Seeds, step: int) -> Pixels:
        """Pictures with the noise of step `step`."""
        place = bits(seeds, counter(SEED_FRAME_NOISE, step), 1)[:, 0] % np.uint64(len(self._windows))
        noisy = self._windows[place.astype(np.int64)].reshape(picture.shape) + picture
        return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
