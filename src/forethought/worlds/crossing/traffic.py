"""Cars and their light: one car after the other comes down the road, and each meets a light that turns yellow.

Distances in pixels, times in steps, one entry per copy [N]. Nothing here depends on the agent: drivers who run the light
don't look, and drivers who stop do so for the light.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forethought.worlds.painting import Bools, Floats
from forethought.worlds.random_streams import Seeds, counter, uniform

Ints = NDArray[np.int64]

ENTRY, EXIT = -8.0, 72.0
"""Where a car's centre comes into being and ceases to be: both out of the picture."""
STOP = 24.0
"""Where the centre of a car that has stopped stands: its front is at the line, short of the zebra."""
CRUISE, HURRY = 1.8, 2.2
"""Speed of a car, and of one whose driver runs the light."""
BRAKING, STARTING = 0.2, 0.3
"""Pixels per step and step."""
YELLOW, RED = 8, 45
"""Steps that the light is yellow, and red."""
REACTION = 4
"""Steps from yellow to the brake lights of a driver who stops."""
SEED_CAR = 70


@dataclass(frozen=True)
class CrossTraffic:
    """All copies' traffic at one moment.

    Fields:
        cars: how many cars came before this one. y, speed: of the car's centre.
        late: whether its driver runs the light; hidden. orange: its colour.
        wait: steps until it comes into being. turn: the light turns yellow when the car has passed this y.
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
        """Share of yellow and red that is still to come, [N]: what the lamp shows; 0 when green."""
        left = (YELLOW + RED - self.since) / (YELLOW + RED)
        return np.where(self.since >= 0, np.clip(left, 0.0, 1.0), 0.0)


def new_traffic(seeds: Seeds, late: float, cue: float) -> CrossTraffic:
    """A free road, and a car about to come, in every copy."""
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
    fresh = _next_car(seeds, traffic.cars + 1, late, cue)
    return CrossTraffic(**{name: np.where(over, getattr(fresh, name), value) for name, value in vars(moved).items()})


def _drive(traffic: CrossTraffic) -> Floats:
    """Each car's speed in this step, by its driver."""
    reacting = (traffic.since >= REACTION) & (traffic.since < YELLOW + RED)
    ahead = np.maximum(STOP - traffic.y, 0.0)
    braked = np.minimum(traffic.speed, np.minimum(np.sqrt(2 * BRAKING * ahead), ahead))
    free = np.minimum(traffic.speed + STARTING, np.where(traffic.late & reacting, HURRY, CRUISE))
    return np.where(reacting & ~traffic.late & (traffic.y <= STOP), braked, free)


def _next_car(seeds: Seeds, cars: Ints, late: float, cue: float) -> CrossTraffic:
    """The car number `cars` of each copy, not yet come: its driver, its colour, its time."""
    # What is drawn for a car depends on its copy's seed and its number alone.
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
