"""A grid of places over a picture, and a world with the agent at each of them: what maps of energies are drawn over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.types import Frame, WorldTask
from forethought.worlds.rooms.world import RoomsWorld

GRID, MARGIN = 26, 6.0
"""Places each way, and how far the outermost lie from the picture's edge, pixels."""
OUTSIDE = 1.0
"""A place that the world moved by more than this (pixels) lies in a wall."""


@dataclass(frozen=True)
class Places:
    """Places all over the agent's picture, row by row.

    Fields:
        points: [G * G, 2], (x, y). extent: (left, right, top, bottom), the outer edges of the grid's cells, pixels.
    """

    points: NDArray[np.float64]
    extent: tuple[float, float, float, float]

    @classmethod
    def over(cls, agent: Agent) -> Places:
        """`GRID` places each way."""
        size = agent.configuration.data.streams[0].shape[0]
        ticks = np.linspace(MARGIN, size - MARGIN, GRID)
        step = (ticks[1] - ticks[0]) / 2
        first, last = float(ticks[0] - step), float(ticks[-1] + step)
        return cls(np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2), (first, last, first, last))

    def stand(self, world: RoomsWorld, task: WorldTask) -> tuple[Frame, NDArray[np.bool_]]:
        """Begin a task from every place, one in each copy: what is seen, and bool [G * G], which places lie in a wall."""
        starts = [WorldTask(task.seed, (float(x), float(y)), task.goal, None, task.budget) for x, y in self.points]
        frame = world.begin(starts)
        return frame, np.asarray(np.linalg.norm(frame.truth["position"] - self.points, axis=1) > OUTSIDE)

    def picture(self, values: NDArray[np.float64], outside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Values [G * G] as [G, G], rows are y and columns x; NaN where a place is `outside`."""
        return np.where(outside, np.nan, values).reshape(GRID, GRID)
