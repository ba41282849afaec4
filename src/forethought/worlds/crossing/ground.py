"""Walkable area: two sidewalks and the zebra between the fences along the road. Distances in pixels."""

from __future__ import annotations

import numpy as np

from forethought.worlds.painting import Floats

LOW, HIGH = 6.0, 58.0
"""Bounds of the agent's centre on both axes."""
FENCES, ZEBRA = (25, 39), (34, 46)
"""The road from fence to fence along x, and the zebra from edge to edge along y."""
BODY = 2.0
"""Minimum distance of the agent's centre to a fence."""
SPEED = 1.0
"""Pixels per step and axis at full action."""

LEFT, RIGHT = FENCES[0] - BODY, FENCES[1] + BODY
TOP, BOTTOM = ZEBRA[0] + BODY, ZEBRA[1] - BODY


def walk(position: Floats, by: Floats) -> Floats:
    """Positions [N, 2] after displacements [N, 2]: first along x, then along y; fences block."""
    x, y = position.T
    on_zebra = (y >= TOP) & (y <= BOTTOM)
    low = np.where(on_zebra | (x <= LEFT), LOW, RIGHT)
    high = np.where(on_zebra | (x >= RIGHT), HIGH, LEFT)
    x = np.clip(x + by[:, 0], low, high)
    on_road = (x > LEFT) & (x < RIGHT)
    y = np.clip(y + by[:, 1], np.where(on_road, TOP, LOW), np.where(on_road, BOTTOM, HIGH))
    return np.stack([x, y], 1)


def settle(position: Floats) -> Floats:
    """Places [N, 2] moved within bounds, and from the road to the nearer sidewalk."""
    x, y = np.clip(position, LOW, HIGH).T
    middle = (LEFT + RIGHT) / 2
    road = (x > LEFT) & (x < RIGHT) & ~((y >= TOP) & (y <= BOTTOM))
    return np.stack([np.where(road, np.where(x < middle, LEFT, RIGHT), x), y], 1)


def heading(position: Floats, target: Floats) -> Floats:
    """The action [N, 2] on the shortest way to a target [N, 2]: straight on one's own side, else by way of the zebra."""
    x, aim = position[:, 0], target[:, 0]
    rightwards = x < aim
    crossing = np.where(rightwards, (x < RIGHT) & (aim > LEFT), (x > LEFT) & (aim < RIGHT)) & (x != aim)
    lined_up = (position[:, 1] >= TOP) & (position[:, 1] <= BOTTOM)
    near, far = np.where(rightwards, LEFT, RIGHT), np.where(rightwards, np.minimum(aim, RIGHT), np.maximum(aim, LEFT))
    gate = np.stack([np.where(lined_up, far, near), np.clip(position[:, 1], TOP, BOTTOM)], 1)
    wanted = np.where(crossing[:, None], gate, target) - position
    return np.asarray(wanted / np.maximum(SPEED, np.abs(wanted).max(1, keepdims=True)))
