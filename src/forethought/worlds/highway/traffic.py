"""The other cars: highway-env's, which follow their lanes, and the intent of one driver, which nobody sees.

Nothing here depends on the ego. A driver who gives way (`yields`) and one who does not do the same until

- on the ramp, the car is `SHOWS` metres along: the one brakes and stands beside the road, the other speeds up and merges;
- before the intersection, the lanes part: the one turns right and is out of the way, the other goes straight across.

highway-env's own drivers (IDM and MOBIL) are not used: at the merge they decide by the ego's distance, so that the same
actions would not fork into the same two branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.worlds.any_gymnasium import NEEDS_EXTRA, make_environment
from forethought.worlds.highway.scenes import SCENES, STEP, SUBSTEPS, CarPlan, Floats, Scene

CARS = 2
"""The one whose intent is hidden, then the one aside; each keeps its place in the observation."""
SHOWS = 212.0
"""x of a car on the ramp at which its driver brakes, or speeds up."""
PUSHES_IN = 222.0
"""x from which on the latter steers into the ego's lane."""
HURRY = 15.0
"""Speed of who has pushed in: the ego's highest, so that nobody is run over from behind."""
SLOWING, SPEEDING = 6.0, 3.0
"""Other cars' strongest braking and acceleration, m/s2."""
STREAM = 0x516A
"""Second word of the seed of what an episode draws."""


@dataclass(frozen=True)
class Draw:
    """What an episode draws from its seed, each uniform in [0, 1): no option changes any of it.

    Fields: intent: the driver gives way if this is below the option `yields`. other, aside: where they begin.
        progress, speed: of the ego.
    """

    intent: float
    other: float
    aside: float
    progress: float
    speed: float

    @staticmethod
    def of(seed: int) -> Draw:
        """The draw of a seed."""
        return Draw(*np.random.default_rng((seed, STREAM)).random(5).tolist())


class Street:
    """One place's road as highway-env has it, and the classes of what drives there; shared by all copies."""

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
        """A road without anybody on it."""
        # Nothing on it draws, but without a generator it would make one from the system's entropy.
        return self._road(network=self.network, np_random=np.random.default_rng(0))

    def ego(self, progress: float, speed: float) -> Any:
        """The ego, not yet on any road."""
        # Who goes straight needs no lanes, and to look for one's lane is what takes the time in a step.
        return self._vehicle(None, self.scene.place(progress), self.scene.heading, speed)

    def car(self, road: Any, plan: CarPlan, share: float) -> Any:
        """Another car, `share` of the range along its lane."""
        return self._controlled.make_on_lane(road, plan.lane, plan.begins(share), plan.speed)


class HighwayTraffic:
    """All other cars of one copy, on a road that the ego may join.

    Attributes:
        road: highway-env's.
        yields: the hidden intent.
        cars: the one with the intent, the one aside.
    """

    def __init__(self, street: Street, draw: Draw, yields: bool) -> None:
        """As an episode begins."""
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
        """One step of the simulation, of all that is on the road."""
        if self._is_ramp:
            self._come_down_the_ramp()
        for car in self.cars:
            car.follow_road()
            limit = car.MAX_STEERING_ANGLE
            car.action = {
                "steering": np.clip(car.steering_control(car.target_lane_index), -limit, limit),
                "acceleration": np.clip(car.speed_control(car.target_speed), -SLOWING, SPEEDING),
            }
        self.road.step(STEP / SUBSTEPS)

    def _come_down_the_ramp(self) -> None:
        car = self.cars[0]
        if car.position[0] >= SHOWS:
            car.target_speed = 0.0 if self.yields else HURRY
        if not self.yields and car.position[0] >= PUSHES_IN and car.target_lane_index[2] != 1:
            car.target_lane_index = ("b", "c", 1)

    def states(self) -> Floats:
        """Each car's x, y, heading and speed, [cars, 4]."""
        return np.array([[*car.position, car.heading, car.speed] for car in self.cars])


def foretell(street: Street, draw: Draw, yields: bool, steps: int) -> NDArray[np.float64]:
    """States of the other cars from the episode's beginning on, if the driver meant that: [steps + 1, cars, 4]."""
    traffic = HighwayTraffic(street, draw, yields)
    path = [traffic.states()]
    for _ in range(steps):
        for _ in range(SUBSTEPS):
            traffic.advance()
        path.append(traffic.states())
    return np.stack(path)
