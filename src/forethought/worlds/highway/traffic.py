"""The other cars of highway-env, which follow their lanes, and the hidden intent of one driver.

The traffic does not depend on the ego. A driver who yields and a driver who does not behave alike until the intent shows:

- on the ramp, at `SHOWS` metres: a yielding driver brakes and stops beside the road; otherwise the car accelerates and merges;
- at the intersection, where the lanes split: a yielding driver turns right; otherwise the car goes straight across.

highway-env's own drivers (IDM and MOBIL) are not used: at the merge they react to the ego's distance, so the same actions
would not always lead to the same two outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.worlds.any_gymnasium.making import NEEDS_EXTRA, make_environment
from forethought.worlds.highway.scenes import SCENES, STEP, SUBSTEPS, CarPlan, Floats, Scene

CARS = 2
"""Number of cars: first the car with the hidden intent, then the second car; the observation keeps this order."""
SHOWS = 212.0
"""x of a car on the ramp at which its driver brakes or accelerates."""
PUSHES_IN = 222.0
"""x at which a merging car starts to steer into the ego's lane."""
HURRY = 15.0
"""Speed of a merging car: the ego's maximum, so that the ego cannot hit it from behind."""
SLOWING, SPEEDING = 6.0, 3.0
"""Maximum deceleration and acceleration of the other cars, m/s2."""
STREAM = 0x516A
"""Second word of the seed of an episode's samples."""


@dataclass(frozen=True)
class Draw:
    """Uniform samples in [0, 1) of an episode, from its seed alone; no option changes them.

    Fields: intent: the driver yields if this is below the option `yields`. other, aside: start positions of the two cars.
        progress, speed: start of the ego.
    """

    intent: float
    other: float
    aside: float
    progress: float
    speed: float

    @staticmethod
    def of(seed: int) -> Draw:
        """The samples of a seed."""
        return Draw(*np.random.default_rng((seed, STREAM)).random(5).tolist())


class Street:
    """The road network of one scene in highway-env, and the classes of its vehicles; shared by all copies."""

    def __init__(self, name: str) -> None:
        """`name` of the world.

        Raises:
            ForethoughtError: highway-env is not installed.
        """
        try:
            from highway_env.road.road import Road
            from highway_env.vehicle.controller import ControlledVehicle
            from highway_env.vehicle.kinematics import Vehicle
        except ImportError as error:
            raise ForethoughtError(NEEDS_EXTRA.format(name=name)) from error
        self.scene: Scene = SCENES[name]
        environment: Any = make_environment(self.scene.environment, config=dict(self.scene.config)).unwrapped
        self.network: Any = environment.road.network
        environment.close()
        self._road, self._vehicle, self._controlled = Road, Vehicle, ControlledVehicle

    def road(self) -> Any:
        """An empty road."""
        # No vehicle samples from the generator, but without one highway-env makes it from the system's entropy.
        return self._road(network=self.network, np_random=np.random.default_rng(0))

    def ego(self, progress: float, speed: float) -> Any:
        """The ego, not yet on any road."""
        # The ego drives straight and needs no lanes; the search for its lane would dominate the time of a step.
        return self._vehicle(None, self.scene.place(progress), self.scene.heading, speed)

    def car(self, road: Any, plan: CarPlan, share: float) -> Any:
        """Another car; `share` in [0, 1]: start position within its range along the lane."""
        return self._controlled.make_on_lane(road, plan.lane, plan.begins(share), plan.speed)


class HighwayTraffic:
    """All other cars of one copy, on a road to which the ego can be added.

    Attributes:
        road: the road of highway-env.
        yields: the hidden intent.
        cars: the car with the hidden intent, then the second car.
    """

    def __init__(self, street: Street, draw: Draw, yields: bool) -> None:
        """Puts the cars at their start positions."""
        self.yields = yields
        self.road = street.road()
        scene = street.scene
        plans = {scene.other: draw.other, scene.aside: draw.aside}
        self.cars = [street.car(self.road, plan, share) for plan, share in plans.items()]
        for plan, car in zip(plans, self.cars, strict=True):
            if plan.leads:
                car.plan_route_to(plan.leads[yields])
        self.road.vehicles = list(self.cars)
        self._is_ramp = scene.other.leads is None

    def advance(self) -> None:
        """One simulation step of all vehicles on the road."""
        if self._is_ramp:
            self._set_ramp_targets()
        for car in self.cars:
            car.follow_road()
            limit = car.MAX_STEERING_ANGLE
            car.action = {
                "steering": np.clip(car.steering_control(car.target_lane_index), -limit, limit),
                "acceleration": np.clip(car.speed_control(car.target_speed), -SLOWING, SPEEDING),
            }
        self.road.step(STEP / SUBSTEPS)

    def _set_ramp_targets(self) -> None:
        car = self.cars[0]
        if car.position[0] >= SHOWS:
            car.target_speed = 0.0 if self.yields else HURRY
        if not self.yields and car.position[0] >= PUSHES_IN and car.target_lane_index[2] != 1:
            car.target_lane_index = ("b", "c", 1)

    def states(self) -> Floats:
        """Each car's x, y, heading and speed, [cars, 4]."""
        return np.array([[*car.position, car.heading, car.speed] for car in self.cars])


def foretell(street: Street, draw: Draw, yields: bool, steps: int) -> NDArray[np.float64]:
    """States of the other cars from the start of the episode for a given intent: [steps + 1, cars, 4]."""
    traffic = HighwayTraffic(street, draw, yields)
    path = [traffic.states()]
    for _ in range(steps):
        for _ in range(SUBSTEPS):
            traffic.advance()
        path.append(traffic.states())
    return np.stack(path)
