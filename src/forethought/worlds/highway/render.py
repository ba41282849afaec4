"""Top-down pictures of a scene, drawn by highway-env on a surface in memory; no display is opened."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.worlds.frames import resized
from forethought.worlds.highway.traffic import CARS, Street

METRES = 128.0
"""Width and height of the picture; the waiting line is in the middle. At 64 pixels a car is 2.5 pixels long."""
FINE = 4
"""Oversampling: pictures are drawn at this multiple of their size and averaged, so that sub-pixel motion shows."""


class Easel:
    """Renders states of one scene."""

    def __init__(self, street: Street, size: int) -> None:
        """Pictures of size x size."""
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame
        from highway_env.road.graphics import RoadGraphics, WorldSurface
        from highway_env.vehicle.graphics import VehicleGraphics

        self._pygame, self._size, self._scene = pygame, size, street.scene
        self._roads, self._vehicles = RoadGraphics, VehicleGraphics
        wide = (FINE * size, FINE * size)
        self._surface: Any = WorldSurface(wide, 0, pygame.Surface(wide))
        self._surface.scaling, self._surface.centering_position = FINE * size / METRES, [0.5, 0.5]
        self._surface.move_display_window_to(self._scene.place(self._scene.line))
        self._board = street.road()
        self._ego, *self._cars = (street.ego(self._scene.line, 0.0) for _ in range(1 + CARS))

    def draw(self, progress: float, down: bool, cars: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The picture [size, size, 3]: the ego (green, or red after a crash) and the cars at x, y, heading [cars, 4]."""
        self._ego.position, self._ego.crashed = self._scene.place(progress), down
        self._ego.color = self._vehicles.RED if down else self._vehicles.GREEN
        for car, (x, y, heading, _) in zip(self._cars, cars.tolist(), strict=True):
            car.position, car.heading, car.color = np.array([x, y]), heading, self._vehicles.BLUE
        self._roads.display(self._board, self._surface)
        for vehicle in (*self._cars, self._ego):
            self._vehicles.display(vehicle, self._surface, offscreen=True)
        picture: NDArray[np.uint8] = self._pygame.surfarray.array3d(self._surface).swapaxes(0, 1)
        return resized(np.ascontiguousarray(picture), self._size)
