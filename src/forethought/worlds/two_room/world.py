"""The field's two rooms as worlds: `forethought/TwoRoom-v0` (stable-worldmodel's) and `forethought/Wall-v0` (DINO-WM's).

Unlike `forethought/Rooms-v0`, whose tasks are made, a goal is what a held-out episode showed some steps later, as with the
peers. Pictures are drawn at the agent's size, each pixel the mean over its area; peers train on 224 px.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forethought.types import PIXELS, ActionSpace, WorldSpec
from forethought.worlds.env_adapter import AdapterOptions, EnvAdapter, EnvFactory, Sight, StepResult
from forethought.worlds.frames import resized
from forethought.worlds.parsing import parsed
from forethought.worlds.two_room.geometry import TWO_ROOM, WALL, TwoRoomGeometry

TWO_ROOM_NAME, WALL_NAME = "forethought/TwoRoom-v0", "forethought/Wall-v0"
GEOMETRIES: Mapping[str, TwoRoomGeometry] = MappingProxyType({TWO_ROOM_NAME: TWO_ROOM, WALL_NAME: WALL})
FINE = 8
"""The background is painted with this many times the picture's pixels along each axis, and averaged."""


class TwoRoomOptions(AdapterOptions):
    """Options of TwoRoom and Wall, in addition to those of every adapted environment.

    success: `near`, the peers' distance (16 px of 224; 4.5 px of 65), or `closer`, half of it.
    """

    success: Literal["near", "closer"] = "near"


class TwoRoomMaker(EnvFactory):
    """Makes copies of one geometry.

    Attributes:
        geometry: sizes, and how steps end.
    """

    parts = MappingProxyType({"position": slice(0, 2)})

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Raises ForethoughtError if an option does not fit."""
        self.geometry = GEOMETRIES[name]
        self.options = parsed(TwoRoomOptions, options, name)
        self.check_frames = self.options.check_frames
        self.radius = self.geometry.near if self.options.success == "near" else self.geometry.closer
        self.success = f"the dot within {self.radius:g} px of the goal's position; the picture has {self.geometry.side:g} px"
        self.spec = WorldSpec(
            name=name,
            options=self.options.model_dump(mode="json"),
            streams=self.options.stream_specs(2),
            action=ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0)),
            max_steps=self.options.max_steps or self.geometry.max_steps,
            block=self.options.block,
            truth={"state": 2, "position": 2},
        )
        self._background = background(self.geometry, self.options.size)

    def make(self) -> EnvAdapter:
        """A new copy."""
        return TwoRoomCopy(self)

    def draw(self, position: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Picture [size, size, 3]: a red Gaussian dot over the rooms."""
        size, geometry = self.options.size, self.geometry
        centres = (np.arange(size) + 0.5) * geometry.side / size - 0.5
        across, down = (np.exp(-((centres - at) ** 2) / (2 * geometry.spread**2)) for at in position)
        dot = (down[:, None] * across[None])[..., None]
        picture = (1 - dot) * self._background + dot * np.array([255.0, 0.0, 0.0])
        return np.asarray(np.rint(picture), np.uint8)

    def sight(self, position: NDArray[np.floating]) -> Sight:
        """Observation of a position; pixels are rendered when they are read."""
        state = np.asarray(position, np.float32)
        return Sight(state, lambda name: self.draw(state) if name == PIXELS else state)

    def close(self) -> None:
        """Nothing to release."""


def background(geometry: TwoRoomGeometry, size: int) -> NDArray[np.float64]:
    """Rooms without a dot, [size, size, 3]: white, with black borders and a black wall."""
    pixels = FINE * size
    at = (np.arange(pixels) + 0.5) * geometry.side / pixels - 0.5
    wall = np.abs(at - geometry.wall) <= geometry.thick + 0.5
    outside_door = np.abs(at - geometry.door) > geometry.opening + 0.5
    first, last = geometry.frame
    from_edge = np.minimum(at + 0.5, geometry.side - 0.5 - at)
    border = (from_edge >= first) & (from_edge < last)
    black = (wall[None] & outside_door[:, None]) | border[None] | border[:, None]
    picture = np.where(black, 0, 255).astype(np.uint8)
    return np.asarray(resized(np.repeat(picture[..., None], 3, 2), size), float)


class TwoRoomCopy(EnvAdapter):
    """One dot in two rooms; its state is x, y."""

    def __init__(self, maker: TwoRoomMaker) -> None:
        """Starts at an arbitrary place; `reset` samples one."""
        self.maker = maker
        self._position = np.array([maker.geometry.low, maker.geometry.low])

    def reset(self, seed: int) -> None:
        """Put the dot anywhere but in the slab of the wall."""
        self._position = self.maker.geometry.place(np.random.default_rng((seed, 0x2D07)))

    def step(self, action: NDArray[np.float32]) -> StepResult:
        """One step, without reward and without an end: the goal is the task's."""
        geometry = self.maker.geometry
        self._position = geometry.moved(self._position, action.astype(np.float64) * geometry.speed)
        return StepResult()

    def sight(self) -> Sight:
        """Observation of the present position."""
        return self.maker.sight(self._position)

    def place(self, state: NDArray[np.float32]) -> None:
        """Put the dot at x, y."""
        self._position = state.astype(np.float64)

    def sight_of(self, state: NDArray[np.float32]) -> Sight:
        """Observation of a position; the dot does not move."""
        return self.maker.sight(state)

    def near(self, now: Sight, goal: Sight) -> bool:
        """See `TwoRoomOptions.success`."""
        return bool(np.linalg.norm(now.state - goal.state) < self.maker.radius)

    def close(self) -> None:
        """Nothing to release."""
