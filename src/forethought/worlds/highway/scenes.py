"""The two places: whose road it is, the ego's straight way along it, and where the others come from. Metres and seconds.

The ego drives along one straight line, so that its place is one number, its *progress* in metres; *across* is the distance to
the right of that line.
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
"""Seconds of one environment step (5 Hz), and how many steps of the simulation (10 Hz) make one."""
BRAKING, STARTING = 5.0, 3.0
"""The ego's strongest braking (action -1) and acceleration (action 1), m/s2; at action 0 it rolls out at 1 m/s2."""


@dataclass(frozen=True)
class CarPlan:
    """Where another car begins: its lane in highway-env's network, how far along (a range, m), and its speed, m/s.

    `meets`: how far along that lane the ego's way is, m. `leads`: the nodes of the network to which one drives who does not
    give way, and who does; None where both follow their lane.
    """

    lane: tuple[str, str, int]
    along: Range
    speed: float
    meets: float = 0.0
    leads: tuple[str, str] | None = None

    def begins(self, share: float) -> float:
        """How far along it begins, `share` of the range, m."""
        return self.along[0] + share * (self.along[1] - self.along[0])


@dataclass(frozen=True)
class Scene:
    """One place.

    Fields:
        environment, config: Gymnasium id and configuration of the environment whose road is taken.
        origin, direction: of the ego's way, highway-env's x and y; direction is a unit vector.
        top: the ego's highest speed, m/s.
        starts: where episodes begin, progress. line: where one waits, short of where the other may come. meets: where he comes.
        clear: from here on nothing comes any more. goals: where tasks lead. end: where the road, and an episode, ends.
        other: the car whose driver's intent is hidden. aside: a car that is never in the way.
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
        """A place on the ego's way as x and y, [2]."""
        return np.array(self.origin) + progress * np.array(self.direction)

    def meeting(self, other: float, speed: float) -> float:
        """From where one meets the other car who goes on at full speed, progress.

        Args:
            other: how far along it begins, m. speed: of the ego, m/s.
        """
        seconds = (self.other.meets - other) / self.other.speed
        faster = min(seconds, (self.top - speed) / STARTING)
        return self.meets - (speed * faster + STARTING * faster**2 / 2 + self.top * (seconds - faster))

    def along_across(self, vectors: Floats) -> Floats:
        """Vectors [..., 2] in x and y, as components along the ego's way and to its right."""
        along = np.array(self.direction)
        return np.stack([vectors @ along, vectors @ np.array([-along[1], along[0]])], -1)

    def progress_across(self, places: Floats) -> Floats:
        """Places [..., 2] in x and y, as progress and the distance to the right."""
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
"""The places by the names of their worlds."""


def is_name(name: str) -> bool:
    """Whether a world's name means one of the places."""
    return name in SCENES


def accelerations(actions: Floats) -> Floats:
    """The ego's accelerations, m/s2, at actions in [-1, 1]."""
    return np.asarray((STARTING - BRAKING) / 2 + (STARTING + BRAKING) / 2 * actions)


def roll(progress: Floats, speed: Floats, acceleration: Floats, top: float) -> tuple[Floats, Floats]:
    """The ego's progress and speed one environment step later, as highway-env's kinematics has it; any shape."""
    dt = STEP / SUBSTEPS
    for _ in range(SUBSTEPS):
        held = bounded(speed, acceleration, top)
        progress, speed = progress + speed * dt, speed + held * dt
    return progress, speed


def bounded(speed: Floats, acceleration: Floats, top: float) -> Floats:
    """Accelerations that leave the speed between standing and `top` after one step of the simulation."""
    dt = STEP / SUBSTEPS
    return np.asarray(np.clip(acceleration, -speed / dt, (top - speed) / dt))
