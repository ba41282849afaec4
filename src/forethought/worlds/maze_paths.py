"""Shortest paths of a point in OGBench's mazes, on a grid with the pitch of one step.

A full action moves the point by `STEP` along both axes at once. The minimum number of steps between two points is therefore
the length of the shortest 8-connected path over the grid points where the body does not touch a wall.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

STEP = 0.2
"""Units moved in one step at an action of 1, per axis."""
BODY = 0.75
"""Clearance from walls: the body's radius of 0.7 and a little."""
CLEAR = 1.7
"""Minimum distance of paths from the centre of a teleport, whose radius is 1.5."""
TOLERANCE = 1.0
"""A goal counts as reached within this distance: `_goal_tol` of OGBench's point mazes."""
UNREACHABLE = np.iinfo(np.int32).max // 2
_MOVES = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)])


@dataclass(frozen=True, eq=False)
class MazeGrid:
    """One maze; compared by identity, so that it can be a cache key.

    Fields:
        walls: int [rows, columns], 1 is a wall; cell (i, j) is centred at x = unit * j - 4, y = unit * i - 4.
        unit: size of a cell.
        teleports: float [M, 2], x, y of the teleports; paths avoid them.
        exits: float [E, 2], x, y of the teleports' exits, which are equally likely.
        free: bool [points y, points x], grid points clear of walls and teleports.
    """

    walls: NDArray[np.int64]
    unit: float
    teleports: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    exits: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    free: NDArray[np.bool_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Finds the free points."""
        rows, columns = self.walls.shape
        count = round(self.unit / STEP)
        ys, xs = (np.arange(n * count + 1) * STEP - 4 - self.unit / 2 for n in (rows, columns))
        free = np.ones((len(ys), len(xs)), bool)
        for i, j in np.argwhere(self.walls == 1):
            dy = np.maximum(np.abs(ys - (i * self.unit - 4)) - self.unit / 2, 0)
            dx = np.maximum(np.abs(xs - (j * self.unit - 4)) - self.unit / 2, 0)
            free &= dy[:, None] ** 2 + dx[None, :] ** 2 >= BODY**2
        for x, y in self.teleports:
            free &= np.hypot(ys[:, None] - y, xs[None, :] - x) > CLEAR
        object.__setattr__(self, "free", free)

    def cells(self) -> NDArray[np.int64]:
        """Free cells (i, j), [C, 2]; with teleports, only cells with a teleport-free path to most other cells."""
        cells: NDArray[np.int64] = np.argwhere(self.walls == 0)
        if not len(self.teleports):
            return cells
        steps = [self.steps_to(self.centre(goal)) for goal in cells]
        joined = np.array([[field[self.point(self.centre(cell))] < UNREACHABLE for cell in cells] for field in steps])
        return np.asarray(cells[joined.mean(0) > 0.5])

    def centre(self, cell: NDArray[np.int64]) -> NDArray[np.float64]:
        """x, y of a cell's centre."""
        return np.array([cell[1] * self.unit - 4, cell[0] * self.unit - 4])

    def point(self, xy: NDArray[np.floating]) -> tuple[int, int]:
        """The grid point nearest to x, y."""
        j, i = np.rint((np.asarray(xy, float) + 4 + self.unit / 2) / STEP).astype(int)
        return int(np.clip(i, 1, self.free.shape[0] - 2)), int(np.clip(j, 1, self.free.shape[1] - 2))

    def steps_to(self, goal: NDArray[np.floating]) -> NDArray[np.int32]:
        """Minimum number of steps from each grid point to within `TOLERANCE` of `goal` (x, y), [points y, points x].

        Breadth-first search. A point too near a wall gets the value of its best neighbour plus one.
        """
        i, j = np.indices(self.free.shape)
        x, y = j * STEP - 4 - self.unit / 2, i * STEP - 4 - self.unit / 2
        touching = (x - goal[0]) ** 2 + (y - goal[1]) ** 2 < (TOLERANCE - 0.05) ** 2
        width = self.free.shape[1]
        neighbours = _MOVES @ np.array([width, 1])
        flat = np.full(self.free.size, UNREACHABLE, np.int32)
        # Flat indices; the outermost points are inside the outer wall, so no neighbour index wraps around.
        unseen = (self.free & ~touching).ravel()
        front = np.flatnonzero(touching & self.free)
        count = 0
        while len(front):
            flat[front] = count
            count += 1
            near = (front[:, None] + neighbours).ravel()
            front = np.unique(near[unseen[near]])
            unseen[front] = False
        steps: NDArray[np.int32] = flat.reshape(self.free.shape)
        for _ in range(round(BODY / STEP) + 1):
            steps = self._one_ring_wider(steps)
        return steps

    def optimistic_steps_to(self, goal: NDArray[np.floating]) -> NDArray[np.int32]:
        """`steps_to` under the assumption that each teleport leads to the exit nearest to the goal, [points y, points x]."""
        walking = self.steps_to(goal)
        if not len(self.exits):
            return walking
        from_exit = min(walking[self.point(xy)] for xy in self.exits)
        without_teleports = MazeGrid(self.walls, self.unit)
        to_teleport = np.min([without_teleports.steps_to(xy) for xy in self.teleports], axis=0)
        best_case: NDArray[np.int32] = np.minimum(walking, np.minimum(to_teleport + from_exit, UNREACHABLE)).astype(np.int32)
        return best_case

    def _one_ring_wider(self, steps: NDArray[np.int32]) -> NDArray[np.int32]:
        padded = np.pad(steps, 1, constant_values=UNREACHABLE)
        height, width = steps.shape
        shifted = [padded[1 + a : 1 + a + height, 1 + b : 1 + b + width] for a, b in _MOVES]
        best = np.min(shifted, axis=0) + 1
        return np.where((steps == UNREACHABLE) & (best < UNREACHABLE), best, steps).astype(np.int32)

    def towards(self, xy: NDArray[np.floating], goal: NDArray[np.floating], steps: NDArray[np.int32]) -> NDArray[np.float64]:
        """The action [2] in [-1, 1] that follows a shortest path from `xy`, given `steps_to(goal)`."""
        i, j = self.point(xy)
        if steps[i, j] == 0:
            return np.asarray(np.clip((np.asarray(goal, float) - xy) / STEP, -1, 1))
        # Aim three points along the path, so that noise does not make the path zigzag.
        for _ in range(3):
            neighbours = [(i + a, j + b) for a, b in _MOVES]
            i, j = min(neighbours, key=lambda p: steps[p])
        target = np.array([j * STEP - 4 - self.unit / 2, i * STEP - 4 - self.unit / 2])
        offset = (target - xy) / STEP
        action: NDArray[np.float64] = offset / max(1.0, float(np.abs(offset).max()))
        return action
