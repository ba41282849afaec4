"""Geometries of the field's two rooms: a dot, a vertical wall with one door, and how a step ends at the wall.

Positions are x (to the right), y (down), in pixels of the picture that the geometry was made for.

- `TWO_ROOM`: stable-worldmodel's TwoRoom (224 px). A body with a radius slides along walls, one axis after the other. The wall
  is tested where a step ends: a step of 5 px cannot jump over it.
- `WALL`: DINO-WM's Wall (Zhou et al. 2024, arXiv:2411.04983; 65 px). A point stops where its path first meets a wall or a
  border, half a pixel before it. Their point is also shifted by half a pixel along the wall; ours is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

Point = Float[np.ndarray, "2"]


@dataclass(frozen=True)
class TwoRoomGeometry:
    """Sizes of two rooms, in pixels.

    Fields:
        side: of the picture. low, high: bounds of the dot's centre on both axes. wall: x of the wall's centre line.
        thick: half the thickness of the wall. body: radius of the dot in collisions. door: y of the door's centre.
        gap: the dot's centre passes the door within this distance of its centre.
        opening: half the width of the door in the picture. frame: first and last pixel of the border's near lines.
        spread: standard deviation of the dot's picture. speed: pixels a step and axis at an action of 1.
        near: distance below which a goal counts as reached, in the peers' test. closer: in the strict one.
        contact: `slide` along walls, or `stop` where the path meets one. max_steps: length of an episode.
    """

    side: float
    low: float
    high: float
    wall: float
    thick: float
    body: float
    door: float
    gap: float
    opening: float
    frame: tuple[float, float]
    spread: float
    speed: float
    near: float
    closer: float
    contact: Literal["slide", "stop"]
    max_steps: int

    @property
    def faces(self) -> tuple[float, float]:
        """Bounds in x of the slab that the dot's centre can enter through the door alone."""
        return self.wall - self.thick - self.body, self.wall + self.thick + self.body

    def moved(self, start: Point, by: Point) -> Point:
        """Where a step ends."""
        return self._slid(start, start + by) if self.contact == "slide" else self._stopped(start, start + by)

    def crosses(self, one: NDArray[np.floating], other: NDArray[np.floating]) -> bool:
        """Whether two positions are in different rooms."""
        return bool((one[0] < self.wall) != (other[0] < self.wall))

    def place(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """A random position anywhere but in the slab of the wall."""
        while True:
            position = generator.uniform(self.low + 0.5, self.high - 0.5, 2)
            if not self.faces[0] <= position[0] <= self.faces[1]:
                return position

    def _slid(self, start: Point, end: Point) -> Point:
        """A body that would end in the wall stays half a pixel before its face; y moves on."""
        x, y = np.clip(end, self.low, self.high)
        left, right = self.faces
        if abs(y - self.door) > self.gap:
            x = min(x, left - 0.5) if start[0] < self.wall and x > left else x
            x = max(x, right + 0.5) if start[0] >= self.wall and x < right else x
        return np.array([x, y])

    def _stopped(self, start: Point, end: Point) -> Point:
        """A point stops half a pixel before the first line that its path meets."""
        by = end - start
        share, hit, axis = 1.0, False, 0
        for line_axis, line, low, high in self._lines():
            speed, gap = by[line_axis], line - start[line_axis]
            if speed == 0 or not 0 <= gap / speed < share:
                continue
            across = start[1 - line_axis] + by[1 - line_axis] * gap / speed
            if low <= across <= high:
                share, hit, axis = float(gap / speed), True, line_axis
        if not hit:
            return end
        stopped = start + share * by
        stopped[axis] -= 0.5 * np.sign(by[axis])
        return np.asarray(np.clip(stopped, self.low + 0.25, self.high - 0.25))

    def _lines(self) -> list[tuple[int, float, float, float]]:
        """Lines that stop a point: axis across which it lies, its coordinate, and its ends on the other axis."""
        left, right = self.faces
        top, bottom = self.door - self.gap, self.door + self.gap
        borders = [(axis, edge, self.low, self.high) for axis in (0, 1) for edge in (self.low, self.high)]
        walls = [(0, face, *ends) for face in (left, right) for ends in ((self.low, top), (bottom, self.high))]
        return [*borders, *walls, (1, top, left, right), (1, bottom, left, right)]


TWO_ROOM = TwoRoomGeometry(
    side=224.0, low=21.0, high=203.0, wall=112.0, thick=5.0, body=7.0, door=49.0, gap=15.75, opening=14.0, frame=(10.0, 14.0),
    spread=7.0, speed=5.0, near=16.0, closer=8.0, contact="slide", max_steps=100,
)  # fmt: skip
"""stable-worldmodel 0.1: its defaults for one door; the strict distance is that of CLEAR-LeWM v0.8."""
WALL = TwoRoomGeometry(
    side=65.0, low=4.0, high=60.0, wall=32.0, thick=3.0, body=0.0, door=10.0, gap=4.0, opening=4.0, frame=(4.0, 5.0),
    spread=1.7, speed=3.6, near=4.5, closer=2.25, contact="stop", max_steps=50,
)  # fmt: skip
"""DINO-WM: a step is twice an action of at most 1.8 px. No strict distance is published; ours is half the peers'."""
