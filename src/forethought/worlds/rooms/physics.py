"""Motion of bodies: one axis after the other, sliding along walls, and never through a wall for any step length.

Bodies are [N, M, 2]: M bodies in each of N copies. A body cannot enter the slab of half width `plan.reach` around a wall's
centre line, except for the openings of half width `plan.gap` of open doors.
"""

from __future__ import annotations

import numpy as np

from forethought.worlds.painting import Bools, Floats
from forethought.worlds.rooms.layout import HIGH, LOW, Layout


def move(layout: Layout, passable: Bools, bodies: Floats, by: Floats) -> Floats:
    """Bodies [N, M, 2] after a displacement `by` [N, M, 2] in pixels: first along x, then along y.

    Args:
        layout: walls and doors.
        passable: bool [N, E], open doors.
        bodies: positions outside walls (see `settle`).
        by: displacement of any length.
    """
    moved = bodies.copy()
    for axis in (0, 1):
        low, high = _free_interval(layout, passable, moved, axis)
        moved[..., axis] = np.clip(moved[..., axis] + by[..., axis], low, high)
    return moved


def _free_interval(layout: Layout, passable: Bools, bodies: Floats, axis: int) -> tuple[Floats, Floats]:
    """Free interval of each body along an axis, at its position on the other axis: low and high [N, M]."""
    plan = layout.plan
    along, across = bodies[..., axis], bodies[..., 1 - axis]
    low, high = np.full_like(along, LOW), np.full_like(along, HIGH)
    for wall in np.flatnonzero(plan.wall_axis == axis):
        # The comparisons use the same expressions as the bounds: a body clamped to a face stays outside the slab.
        face_low = (layout.offsets[:, wall] - plan.reach)[:, None]
        face_high = (layout.offsets[:, wall] + plan.reach)[:, None]
        doors = np.flatnonzero(plan.door_wall == wall)
        distance = np.abs(across[..., None] - layout.centres[:, None, doors])
        blocked = ~((distance <= plan.gap) & passable[:, None, doors]).any(-1)
        high = np.where(blocked & (along <= face_low), np.minimum(high, face_low), high)
        low = np.where(blocked & (along >= face_high), np.maximum(low, face_high), low)
    for wall in np.flatnonzero(plan.wall_axis != axis):
        offset = layout.offsets[:, wall, None]
        inside = (across > offset - plan.reach) & (across < offset + plan.reach)
        doors = np.flatnonzero(plan.door_wall == wall)
        centres = np.broadcast_to(layout.centres[:, None, doors], (*along.shape, len(doors)))
        nearest = np.abs(along[..., None] - centres).argmin(-1)
        centre = np.take_along_axis(centres, nearest[..., None], -1)[..., 0]
        low = np.where(inside, centre - plan.gap, low)
        high = np.where(inside, centre + plan.gap, high)
    return low, high


def in_doorway(layout: Layout, position: Floats) -> Bools:
    """Whether positions [N, 2] are inside each doorway, [N, E]."""
    plan = layout.plan
    along, across = position[:, plan.door_axis], position[:, 1 - plan.door_axis]
    offset = layout.offsets[:, plan.door_wall]
    inside = (along > offset - plan.reach) & (along < offset + plan.reach)
    # The tolerance keeps a body that slides along the door post inside despite rounding.
    return inside & (np.abs(across - layout.centres) <= plan.gap + 1e-6)


def near_door(layout: Layout, position: Floats, radius: float) -> Bools:
    """Whether positions [N, 2] are within `radius` pixels of each door's opening, [N, E]."""
    plan = layout.plan
    along = np.abs(position[:, plan.door_axis] - layout.offsets[:, plan.door_wall]) - plan.reach
    across = np.abs(position[:, 1 - plan.door_axis] - layout.centres) - plan.gap
    return np.asarray(np.hypot(np.maximum(along, 0.0), np.maximum(across, 0.0)) < radius)


def settle(layout: Layout, passable: Bools, position: Floats) -> Floats:
    """Positions [N, 2] clipped to the outer bounds, and moved out of walls to the nearest face."""
    plan = layout.plan
    settled = np.clip(position, LOW, HIGH)
    in_gap = in_doorway(layout, settled) & passable
    for wall, axis in enumerate(plan.wall_axis):
        offset = layout.offsets[:, wall]
        along = settled[:, axis]
        stuck = (along > offset - plan.reach) & (along < offset + plan.reach)
        stuck &= ~in_gap[:, plan.door_wall == wall].any(1)
        face = np.where(along < offset, offset - plan.reach, offset + plan.reach)
        settled[:, axis] = np.where(stuck, face, along)
    return settled
