"""The two scenes: the road, the straight line that the ego drives along, and the other cars. Metres and seconds.

The ego drives along one straight line. Its position is one number: its *progress* in metres. *Across* is the distance to the
right of that line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Range = tuple[float, float]

STEP, SUBSTEPS = 0.2, 2
"""Seconds of one environment step (5 Hz), and simulation steps (10 Hz) per environment step."""
BRAKING, STARTING = 5.0, 3.0
"""The ego's maximum deceleration (action -1) and acceleration (action 1), m/s2; at action 0 it decelerates by 1 m/s2."""


@dataclass(frozen=True)
class CarPlan:
    """Start of another car.

    Fields:
        lane: in highway-env's network. along: range of its start position along the lane, m. speed: m/s.
        meets: position along the lane where it crosses the ego's line, m.
        leads: destination nodes of a car that does not yield, and of one that yields; None where both follow the lane.
    """

    lane: tuple[str, str, int]
    along: Range
    speed: float
    meets: float = 0.0
    leads: tuple[str, str] | None = None

    def begins(self, share: float) -> float:
        """Start position along the lane at `share` of the range, m."""
        return self.along[0] + share * (self.along[1] - self.along[0])


@dataclass(frozen=True)
class Scene:
    """One scene.

    Fields:
        environment, config: Gymnasium id and configuration of the environment that provides the road.
        origin, direction: of the ego's line, highway-env's x and y; direction is a unit vector.
        top: the ego's maximum speed, m/s.
        starts: range of the progress at the start. line: progress of the waiting line, before the conflict zone.
        meets: progress where the other car crosses. clear: progress beyond the conflict zone. goals: range of the goals.
        end: end of the road; an episode ends there.
        other: the car with the hidden intent. aside: a car that never crosses the ego's line.
    """

    environment: str
    origin: tuple[float, float]
    direction: tuple[float, float]
    top: float
    starts: Range
    line: float
    meets: float
    clear: float
    goals: Range
    end: float
    other: CarPlan
    aside: CarPlan
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def heading(self) -> float:
        """Of the ego, radians."""
        return float(np.arctan2(self.direction[1], self.direction[0]))

    def place(self, progress: float) -> Floats:
        """The point (x, y) at a progress, [2]."""
        return np.array(self.origin) + progress * np.array(self.direction)

    def meeting(self, other: float, speed: float) -> float:
        """The progress from which an ego that accelerates to full speed meets the other car.

        Args:
            other: start position of the other car along its lane, m. speed: of the ego, m/s.
        """
        seconds = (self.other.meets - other) / self.other.speed
        faster = min(seconds, (self.top - speed) / STARTING)
        return self.meets - (speed * faster + STARTING * faster**2 / 2 + self.top * (seconds - faster))

    def along_across(self, vectors: Floats) -> Floats:
        """Vectors [..., 2] in x and y as components along the ego's line and to its right."""
        along = np.array(self.direction)
        return np.stack([vectors @ along, vectors @ np.array([-along[1], along[0]])], -1)

    def progress_across(self, places: Floats) -> Floats:
        """Points [..., 2] in x and y as progress and distance to the right."""
        return self.along_across(places - np.array(self.origin))


SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "highway-merge-v0": Scene(
            environment="highway_env:merge-v1",
            origin=(0.0, 4.0),
            direction=(1.0, 0.0),
            top=15.0,
            starts=(100.0, 190.0),
            line=212.0,
            meets=236.0,
            clear=285.0,
            goals=(290.0, 330.0),
            end=380.0,
            other=CarPlan(("k", "b", 0), (0.0, 32.0), 12.0, meets=86.0),
            aside=CarPlan(("a", "b", 0), (90.0, 200.0), 13.0),
        ),
        "highway-intersection-v0": Scene(
            environment="highway_env:intersection-v2",
            config={"initial_vehicle_count": 1},
            origin=(2.0, 111.0),
            direction=(0.0, -1.0),
            top=10.0,
            starts=(30.0, 90.0),
            line=101.0,
            meets=109.0,
            clear=118.0,
            goals=(130.0, 165.0),
            end=200.0,
            other=CarPlan(("o1", "ir1", 0), (50.0, 80.0), 8.0, meets=113.0, leads=("o3", "o0")),
            aside=CarPlan(("o2", "ir2", 0), (20.0, 80.0), 8.0, leads=("o1", "o1")),
        ),
    }
)
"""The scenes by the names of their worlds."""


def is_name(name: str) -> bool:
    """Whether a world's name is that of a scene."""
    return name in SCENES


def accelerations(actions: Floats) -> Floats:
    """The ego's accelerations, m/s2, at actions in [-1, 1]."""
    return np.asarray((STARTING - BRAKING) / 2 + (STARTING + BRAKING) / 2 * actions)


def roll(progress: Floats, speed: Floats, acceleration: Floats, top: float) -> tuple[Floats, Floats]:
    """The ego's progress and speed one environment step later, by highway-env's kinematics; any shape."""
    dt = STEP / SUBSTEPS
    for _ in range(SUBSTEPS):
        held = bounded(speed, acceleration, top)
        progress, speed = progress + speed * dt, speed + held * dt
    return progress, speed


def bounded(speed: Floats, acceleration: Floats, top: float) -> Floats:
    """Accelerations, clipped so that the speed stays within [0, `top`] in one simulation step."""
    dt = STEP / SUBSTEPS
    return np.asarray(np.clip(acceleration, -speed / dt, (top - speed) / dt))
