"""A grid of positions over a picture, and an environment with the agent at each of them: the basis of cost and energy maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.types import Frame, WorldTask
from forethought.worlds.rooms.world import RoomsWorld

GRID, MARGIN = 26, 6.0
"""Positions per axis, and distance of the outermost positions from the picture's edge in pixels."""
OUTSIDE = 1.0
"""A position lies inside a wall if the environment moves an agent put there by more than this, in pixels."""


@dataclass(frozen=True)
class Places:
    """Grid positions over the agent's picture, in row-major order.

    Fields:
        points: [G * G, 2], (x, y), pixels. extent: (left, right, top, bottom), outer edges of the grid's cells, pixels.
    """

    points: NDArray[np.float64]
    extent: tuple[float, float, float, float]

    @classmethod
    def over(cls, agent: Agent) -> Places:
        """`GRID` positions per axis over the agent's first stream."""
        size = agent.configuration.data.streams[0].shape[0]
        ticks = np.linspace(MARGIN, size - MARGIN, GRID)
        step = (ticks[1] - ticks[0]) / 2
        first, last = float(ticks[0] - step), float(ticks[-1] + step)
        return cls(np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2), (first, last, first, last))

    def stand(self, world: RoomsWorld, task: WorldTask) -> tuple[Frame, NDArray[np.bool_]]:
        """Start a task from all positions, one per copy; returns the first frame and bool [G * G], positions inside walls."""
        starts = [WorldTask(task.seed, (float(x), float(y)), task.goal, None, task.budget) for x, y in self.points]
        frame = world.begin(starts)
        return frame, np.asarray(np.linalg.norm(frame.truth["position"] - self.points, axis=1) > OUTSIDE)

    def picture(self, values: NDArray[np.float64], outside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Values [G * G] as [G, G], rows are y and columns x; NaN where `outside`."""
        return np.where(outside, np.nan, values).reshape(GRID, GRID)
