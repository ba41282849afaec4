"""The ego in its traffic as an adapted environment: a one-dimensional action; position, motion and pixels as observation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from forethought.errors import ForethoughtError
from forethought.types import MOTION, PIXELS, PROPRIOCEPTION, ActionSpace, StreamSpec, WorldSpec
from forethought.worlds.env_adapter import AdapterOptions, EnvAdapter, EnvFactory, Sight, StepResult, StreamName
from forethought.worlds.highway.render import Easel
from forethought.worlds.highway.scenes import SUBSTEPS, Floats, Scene, accelerations, bounded
from forethought.worlds.highway.traffic import CARS, Draw, HighwayTraffic, Street, foretell
from forethought.worlds.parsing import parsed

NEAR = 5.0
SUCCESS = f"the ego within {NEAR} m of the goal along its way (a car is 5 m long), not crashed"
MAX_STEPS = 100
MISSES = 1.0
"""Maximum offset of an episode's start from the progress at which the ego meets the other car, seconds at full speed."""
OWN = 4
"""Numbers of the state that are not of other cars: progress, speed, crashed (0 or 1), yields (0 or 1)."""
SEEN = 120.0
"""Distance from the line up to which other cars are observed, m."""
PLACE_SCALE, SPEED_SCALE = 50.0, 10.0
_SEEN_OF_A_CAR = 5
"""Numbers per car: present (0 or 1), along, across, speed along, speed across; all 0 for an absent car."""


class HighwayOptions(AdapterOptions):
    """Options of the highway scenes.

    yields: share of drivers that yield; 0 or 1 makes the world deterministic.
    streams: proprioception is the ego's position; it is required, because a goal is a position. `motion` is always added: the
        ego's speed, whether it has crashed, and, without pixels, positions and velocities of the other cars.
    """

    streams: tuple[StreamName, ...] = Field(("proprioception",), min_length=1)
    yields: float = Field(0.5, ge=0, le=1)


class HighwayMaker(EnvFactory):
    """Makes copies of one scene, and renders their states on one shared road.

    Attributes:
        street: the road. scene: the scene.
    """

    success = SUCCESS
    parts = MappingProxyType(
        {
            "position": slice(0, 1),
            "speed": slice(1, 2),
            "down": slice(2, 3),
            "yields": slice(3, 4),
            "car": slice(OWN, OWN + 4),
        }
    )

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Read the options and make the road.

        Raises:
            ForethoughtError: the package is missing, or an option is unknown or out of range.
        """
        self.options = parsed(HighwayOptions, options, name)
        self.check_frames = self.options.check_frames
        if PROPRIOCEPTION not in self.options.streams:
            raise ForethoughtError(
                f"World {name!r} needs 'proprioception' among its streams, for a goal shows a place: use "
                "streams=['proprioception'] or ['pixels', 'proprioception']."
            )
        self.street = Street(name)
        self.scene: Scene = self.street.scene
        self.sees_pixels = PIXELS in self.options.streams
        self._easel: Easel | None = None
        motion = 2 if self.sees_pixels else 2 + _SEEN_OF_A_CAR * CARS
        self.spec = WorldSpec(
            name=name,
            options=self.options.model_dump(mode="json"),
            streams=(*self.options.stream_specs(1), StreamSpec(MOTION, (motion,), "float32")),
            action=ActionSpace("continuous", 1, (-1.0,), (1.0,)),
            max_steps=self.options.max_steps or MAX_STEPS,
            block=self.options.block,
            truth={"state": OWN + 4 * CARS, "position": 1, "speed": 1, "down": 1, "yields": 1, "car": 4},
            drives=("pain",),
            goals=(PROPRIOCEPTION,),
        )

    def make(self) -> EnvAdapter:
        """A new copy."""
        return HighwayCopy(self)

    def sight(self, state: NDArray[np.float32]) -> Sight:
        """Observation and drives of a state; the drive `pain` is 1 after a crash."""
        return Sight(state, lambda name: self._shown(state, name), state[2:3])

    def _shown(self, state: NDArray[np.float32], name: str) -> NDArray[Any]:
        if name == PIXELS:
            if self._easel is None:
                self._easel = Easel(self.street, self.options.size)
            return self._easel.draw(float(state[0]), bool(state[2]), state[OWN:].reshape(CARS, 4))
        if name == PROPRIOCEPTION:
            return np.array([(state[0] - self.scene.line) / PLACE_SCALE], np.float32)
        own = np.array([state[1] / SPEED_SCALE, state[2]], np.float32)
        return own if self.sees_pixels else np.concatenate([own, self._cars(state[OWN:].reshape(CARS, 4))])

    def _cars(self, cars: NDArray[np.float32]) -> NDArray[np.float32]:
        """Observed numbers of the other cars. The order is fixed, also while cars overtake each other."""
        states = cars.astype(np.float64)
        place = self.scene.progress_across(states[:, :2]) - np.array([self.scene.line, 0.0])
        velocity = states[:, 3:] * np.stack([np.cos(states[:, 2]), np.sin(states[:, 2])], 1)
        moving = self.scene.along_across(velocity)
        there = np.hypot(*place.T) <= SEEN
        numbers = np.concatenate([np.ones((CARS, 1)), place / PLACE_SCALE, moving / SPEED_SCALE], 1)
        return np.where(there[:, None], numbers, 0.0).astype(np.float32).ravel()

    def close(self) -> None:
        """Nothing to release: pictures are drawn in memory, without a display."""


class HighwayCopy(EnvAdapter):
    """One ego in its traffic. After a crash all cars stand still.

    Attributes:
        maker: the part shared by all copies. steps: environment steps since the episode began.
        traffic: the other cars. draw: random samples of the episode.
    """

    def __init__(self, maker: HighwayMaker) -> None:
        """A copy at the start of the episode with seed 0."""
        self.maker = maker
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Sample the traffic and the ego's speed. The ego starts near the progress from which it meets the other car."""
        scene = self.maker.scene
        self.draw, self.steps = Draw.of(seed), 0
        self.traffic = HighwayTraffic(self.maker.street, self.draw, self.draw.intent < self.maker.options.yields)
        self._foretold: dict[bool, Floats] = {}
        speed = self.draw.speed * scene.top
        meeting = scene.meeting(scene.other.begins(self.draw.other), speed) + MISSES * scene.top * (2 * self.draw.progress - 1)
        progress = float(np.clip(meeting, *scene.starts))
        self._ego = self.maker.street.ego(progress, speed)
        self.traffic.road.vehicles.append(self._ego)

    def step(self, action: NDArray[np.float32]) -> StepResult:
        """Advance 0.2 s; terminates at the end of the road, without a reward."""
        self.steps += 1
        wanted = accelerations(np.asarray(action[:1], np.float64))
        for _ in range(SUBSTEPS):
            if self.down:
                break
            held = bounded(np.array([self._ego.speed]), wanted, self.maker.scene.top)
            self._ego.action = {"steering": 0.0, "acceleration": float(held[0])}
            self.traffic.advance()
        if self.down:
            self._ego.speed = 0.0
        return StepResult(terminated=self.progress >= self.maker.scene.end)

    @property
    def progress(self) -> float:
        """Of the ego, m."""
        return float(self.maker.scene.progress_across(self._ego.position)[0])

    @property
    def speed(self) -> float:
        """Of the ego, m/s."""
        return float(self._ego.speed)

    @property
    def down(self) -> bool:
        """Whether the ego has crashed."""
        return bool(self._ego.crashed)

    def foretold(self, yields: bool) -> Floats:
        """Future states of the other cars from now on for an intent, [T, cars, 4]; for scripted policies and task makers.

        They reach to the end of the episode and of any task; after that the cars stand still.
        """
        if yields not in self._foretold:
            self._foretold[yields] = foretell(self.maker.street, self.draw, yields, max(MAX_STEPS, self.maker.spec.max_steps))
        path = self._foretold[yields]
        return path[min(self.steps, len(path) - 1) :]

    def told(self) -> bool:
        """Whether the hidden intent is visible by now."""
        return bool(np.abs(self.foretold(True)[0, 0] - self.foretold(False)[0, 0]).max() > 1e-3)

    def sight(self) -> Sight:
        """The present state."""
        own = [self.progress, self.speed, self.down, self.traffic.yields]
        return self.maker.sight(np.concatenate([own, self.traffic.states().ravel()]).astype(np.float32))

    def place(self, state: NDArray[np.float32]) -> None:
        """Put the ego at (progress, speed); the traffic is a function of the seed."""
        if len(state) != 2 or not 0 <= state[1] <= self.maker.scene.top:
            raise ForethoughtError(
                f"World {self.maker.spec.name!r} starts at (progress, speed), with a speed from 0 to {self.maker.scene.top:g}, "
                f"not at {state.tolist()}."
            )
        self._ego.position = self.maker.scene.place(float(state[0]))
        self._ego.speed = float(state[1])

    def sight_of(self, state: NDArray[np.float32]) -> Sight:
        """The observation of a position (progress) or of a whole state; a position leaves all other numbers at 0."""
        whole = np.zeros(OWN + 4 * CARS, np.float32)
        whole[: len(state)] = state
        return self.maker.sight(whole)

    def near(self, now: Sight, goal: Sight) -> bool:
        """See `SUCCESS`."""
        return bool(abs(now.state[0] - goal.state[0]) <= NEAR and not now.state[2])

    def close(self) -> None:
        """Nothing to release."""
