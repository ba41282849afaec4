"""Cars and traffic light: cars arrive one after the other, and the light turns yellow for each car.

Distances in pixels, times in steps, one entry per copy [N]. The traffic does not depend on the agent: a driver either runs
the light or stops for the light.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forethought.worlds.painting import Bools, Floats
from forethought.worlds.random_streams import Seeds, counter, uniform

Ints = NDArray[np.int64]

ENTRY, EXIT = -8.0, 72.0
"""y of a car's centre at its start and at its end, both outside the picture."""
STOP = 24.0
"""y of the centre of a stopped car: its front is at the stop line, before the zebra."""
CRUISE, HURRY = 1.8, 2.2
"""Speed of a car, and of a car whose driver runs the light."""
BRAKING, STARTING = 0.2, 0.3
"""Deceleration and acceleration, pixels per step squared."""
YELLOW, RED = 8, 45
"""Duration of yellow and of red in steps."""
REACTION = 4
"""Steps from yellow to the brake lights of a driver who stops."""
SEED_CAR = 70


@dataclass(frozen=True)
class CrossTraffic:
    """Traffic of all copies at one step.

    Fields:
        cars: index of the current car. y, speed: of the car's centre.
        late: whether its driver runs the light (hidden). orange: whether the car is orange.
        wait: steps until the car starts. turn: y at which the light turns yellow.
        since: steps since yellow; -1 while the light is green.
    """

    cars: Ints
    y: Floats
    speed: Floats
    late: Bools
    orange: Bools
    wait: Ints
    turn: Floats
    since: Ints

    @property
    def braking(self) -> Bools:
        """Whether the brake lights are on, [N]."""
        return ~self.late & (self.since >= REACTION) & (self.since < YELLOW + RED) & (self.y <= STOP + 1.0)

    @property
    def stopped_for(self) -> Floats:
        """Remaining share of yellow and red, as shown by the lamp, [N]; 0 when green."""
        remaining = (YELLOW + RED - self.since) / (YELLOW + RED)
        return np.where(self.since >= 0, np.clip(remaining, 0.0, 1.0), 0.0)


def new_traffic(seeds: Seeds, late: float, cue: float) -> CrossTraffic:
    """An empty road with the first car waiting, in every copy."""
    return _next_car(seeds, np.zeros(len(seeds), dtype=np.int64), late, cue)


def advance(traffic: CrossTraffic, seeds: Seeds, late: float, cue: float) -> CrossTraffic:
    """One step later."""
    coming = traffic.wait <= 0
    speed, since = _drive(traffic), np.where(traffic.since >= 0, traffic.since + 1, traffic.since)
    y = np.where(coming, traffic.y + speed, traffic.y)
    since = np.where((since < 0) & (y >= traffic.turn), 0, since)
    moved = replace(traffic, y=y, speed=np.where(coming, speed, traffic.speed), since=since, wait=traffic.wait - 1)
    over = (y >= EXIT) & (since >= YELLOW + RED)
    if not over.any():
        return moved
    following = _next_car(seeds, traffic.cars + 1, late, cue)
    return CrossTraffic(**{name: np.where(over, getattr(following, name), value) for name, value in vars(moved).items()})


def _drive(traffic: CrossTraffic) -> Floats:
    """Each car's speed in this step, by its driver."""
    reacting = (traffic.since >= REACTION) & (traffic.since < YELLOW + RED)
    distance = np.maximum(STOP - traffic.y, 0.0)
    braked = np.minimum(traffic.speed, np.minimum(np.sqrt(2 * BRAKING * distance), distance))
    free = np.minimum(traffic.speed + STARTING, np.where(traffic.late & reacting, HURRY, CRUISE))
    return np.where(reacting & ~traffic.late & (traffic.y <= STOP), braked, free)


def _next_car(seeds: Seeds, cars: Ints, late: float, cue: float) -> CrossTraffic:
    """Sample the waiting car number `cars` of each copy: driver, colour, start time and time of yellow."""
    # The samples of a car depend only on the seed of its copy and on its number.
    u = uniform(seeds ^ cars.astype(np.uint64) << np.uint64(40), counter(SEED_CAR), 5)
    runs = u[:, 0] < late
    return CrossTraffic(
        cars=cars.copy(),
        y=np.full(len(cars), ENTRY),
        speed=np.full(len(cars), CRUISE),
        late=runs,
        orange=np.where(u[:, 1] < cue, runs, u[:, 2] < 0.5) & (cue > 0),
        wait=(u[:, 3] * 20).astype(np.int64),
        turn=2.0 + 8.0 * u[:, 4],
        since=np.full(len(cars), -1),
    )
