"""Push-T (gym-pusht 0.1.8; Chi et al. 2023, "Diffusion Policy", arXiv:2303.04137): a disc pushes a T-shaped block.

Differences from the package:

- Actions are relative, in [-1, 1]: the disc's target is its present position + action * `reach` pixels. The package's
  actions are absolute targets in 0..512, so that the noise of a planner would move the disc across the board.
- The goal is an observation of any state of disc and block. The package's fixed goal, the light green T, is not drawn.
  Covering it does not end an episode.
- `place` sets the block's angle before its position. The package's `reset_to_state` does the reverse, and the angle then
  turns the block about its centre of mass: the resulting pose differs from the requested one.
- Pixels are area averages of the package's 512 x 512 picture.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, ActionSpace, Frame, WorldSpec
from forethought.worlds.adapter_policies import policy_generators
from forethought.worlds.any_gymnasium.making import NEEDS_EXTRA, make_environment
from forethought.worlds.contract import World
from forethought.worlds.env_adapter import AdapterOptions, EnvAdapter, EnvFactory, Sight, StepResult
from forethought.worlds.parsing import parsed

NAME = "gym_pusht/PushT-v0"
STATE = 5
"""Disc x, y; block x, y (pixels, 0..512); block angle (radians, [0, 2 pi))."""
Success = Literal["state", "block"]
SUCCESS: Mapping[Success, str] = {
    "state": "the four numbers (disc x, y, block x, y) within 20 px of the goal's in Euclidean norm and the block's angle "
    "within 20 degrees (DINO-WM's test, arXiv:2411.04983)",
    "block": "the block within 10 px of the goal's position and within 10 degrees of its angle",
}
"""Success tests, by the option's value."""
NEAR: Mapping[Success, tuple[slice, float, float]] = {
    "state": (slice(0, 4), 20.0, 20.0),
    "block": (slice(2, 4), 10.0, 10.0),
}
"""What each test compares: numbers of the state, their distance in pixels, the angle in degrees."""
BOARD = 512.0
"""Side of the board, in pixels."""
CENTRE_OF_MASS = 45.0
"""Distance from the block's origin (middle of the bar's edge) to its centre of mass, along the stem, in pixels."""
MAX_STEPS = 200


class PushTOptions(AdapterOptions):
    """Options of Push-T.

    reach: distance in pixels from the disc to its target at an action of 1; at 40 the disc moves at most 16 to 20 px a step.
    success: the test: `state`, disc and block near the goal's (the field's usual test), or `block`, the block alone, nearer.
    streams: proprioception is the disc's position (2 numbers). Without pixels it also contains the block's position and the
        cosine and sine of the block's angle (6 numbers).
    """

    reach: float = Field(40.0, gt=0, le=512)
    success: Success = "state"


def is_name(name: str) -> bool:
    """Whether a world's name is that of Push-T."""
    return name in (NAME, f"gym_pusht:{NAME}")


def set_exactly(environment: Any, state: NDArray[np.float32]) -> None:
    """Put disc and block at rest into exactly a state [5]."""
    x, y, block_x, block_y, angle = (float(value) for value in state)
    environment.block.angle = angle
    environment.block.position = (block_x, block_y)
    environment.agent.position = (x, y)
    for body in (environment.block, environment.agent):
        body.velocity = (0.0, 0.0)
        body.angular_velocity = 0.0
        # Contacts and drawing use cached outlines, which the engine renews only when it steps.
        environment.space.reindex_shapes_for_body(body)


def smallest(angle: Any) -> Any:
    """The same direction in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def angle_apart(a: Any, b: Any) -> Any:
    """Smallest angle between two directions, radians in [0, pi]."""
    return np.abs(smallest(a - b))


def around(
    agent: NDArray[np.float64], goal: NDArray[np.float64], centre: NDArray[np.float64], clear: float, near: float, edge: float
) -> NDArray[np.float64]:
    """The next point on a path from the disc to `goal` that avoids the block: straight, or along the circle around it.

    Args: clear: radius of the circle. near: how far inside it a straight path may pass. edge: least distance from the board's.
    """
    way, out = goal - agent, agent - centre
    along = np.clip(-(out @ way) / (way @ way + 1e-6), 0, 1)
    if np.hypot(*(out + along * way)) >= clear - near:
        return goal
    radial = out / (np.hypot(*out) + 1e-6)
    tangent = np.array([-radial[1], radial[0]])
    tangent *= 1.0 if tangent @ way >= 0 else -1.0
    return np.asarray(np.clip(centre + clear * radial + 45 * tangent, edge, BOARD - edge))


class PushTMaker(EnvFactory):
    """Makes copies of Push-T, and renders their states on one shared board."""

    parts = MappingProxyType({"position": slice(0, 2), "block": slice(2, 4)})

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Read the options and make the board.

        Raises:
            ForethoughtError: the package is missing, or an option is unknown or out of range.
        """
        self.options = parsed(PushTOptions, options, NAME)
        self.check_frames = self.options.check_frames
        self.success = SUCCESS[self.options.success]
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import gym_pusht
                import pygame
        except ImportError as error:
            raise ForethoughtError(NEEDS_EXTRA.format(name=NAME)) from error
        assert gym_pusht.__name__ == "gym_pusht"
        self._pygame = pygame
        self._board = self.environment()
        self.senses_block = PIXELS not in self.options.streams
        self.spec = WorldSpec(
            name=NAME,
            options=self.options.model_dump(mode="json"),
            streams=self.options.stream_specs(6 if self.senses_block else 2),
            action=ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0)),
            max_steps=self.options.max_steps or MAX_STEPS,
            block=self.options.block,
            truth={"state": STATE, "position": 2, "block": 2},
        )

    def environment(self) -> Any:
        """The package's environment without its wrappers and without its fixed goal."""
        environment: Any = make_environment(NAME, obs_type="state").unwrapped
        environment.reset(seed=0)
        return environment

    def make(self) -> EnvAdapter:
        """A new copy."""
        return PushTCopy(self)

    def draw(self, state: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The picture of a state [5], [size, size, 3]."""
        set_exactly(self._board, state)
        hide_fixed_goal(self._board)
        size = self.options.size
        small = self._pygame.transform.smoothscale(self._board._draw(), (size, size))
        return np.ascontiguousarray(self._pygame.surfarray.array3d(small).swapaxes(0, 1))

    def sense(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Proprioception in a state [5]."""
        if not self.senses_block:
            return state[:2]
        return np.array([*state[:4], math.cos(state[4]), math.sin(state[4])], np.float32)

    def sight(self, state: NDArray[np.float32]) -> Sight:
        """The observation of a state, rendered when it is read."""
        return Sight(state, lambda name: self.draw(state) if name == PIXELS else self.sense(state))

    def close(self) -> None:
        """Close the board."""
        self._board.close()


def hide_fixed_goal(environment: Any) -> None:
    """Move the package's green T off the board, where it is neither visible nor covered."""
    environment.goal_pose = np.array([-2000.0, -2000.0, 0.0])


class PushTCopy(EnvAdapter):
    """One Push-T, with relative actions."""

    def __init__(self, maker: PushTMaker) -> None:
        """Make the package's environment."""
        self._maker = maker
        self._environment = maker.environment()

    def reset(self, seed: int) -> None:
        """Sample the positions of disc and block as the package does."""
        self._environment.reset(seed=seed)
        hide_fixed_goal(self._environment)

    def step(self, action: NDArray[np.float32]) -> StepResult:
        """Advance 0.1 s towards disc + action * reach; no termination and no reward, because the package's goal is hidden."""
        position = np.array(self._environment.agent.position)
        self._environment.step(np.clip(position + action * self._maker.options.reach, 0.0, 512.0))
        return StepResult()

    def sight(self) -> Sight:
        """The present state."""
        return self._maker.sight(self._environment.get_obs().astype(np.float32))

    def place(self, state: NDArray[np.float32]) -> None:
        """Put disc and block at rest into exactly this state."""
        set_exactly(self._environment, state)

    def sight_of(self, state: NDArray[np.float32]) -> Sight:
        """The observation of a state, rendered on the shared board."""
        return self._maker.sight(state)

    def near(self, now: Sight, goal: Sight) -> bool:
        """See `SUCCESS`."""
        part, pixels, degrees = NEAR[self._maker.options.success]
        apart = float(np.linalg.norm(now.state[part] - goal.state[part]))
        return apart < pixels and bool(np.rad2deg(angle_apart(now.state[4], goal.state[4])) < degrees)

    def close(self) -> None:
        """Close the package's environment."""
        self._environment.close()


class PushingPolicy:
    """Pushes the block to random spots of the board, one after the other.

    The disc goes around the block to the side opposite the spot, then pushes. It aims beside the block's centre, so that the
    block also turns, and its actions have correlated noise. A spot is replaced after `PATIENCE` steps.
    """

    PATIENCE = 40
    CLEAR = 100.0
    """Distance from the block's centre of mass at which the disc (radius 15 px) clears the farthest corner (76 px)."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes with new random generators."""
        self._generators = policy_generators(seeds)
        num = len(seeds)
        self._spot, self._aim = np.zeros((num, 2)), np.zeros(num)
        self._noise, self._left = np.zeros((num, 2)), np.zeros(num, int)
        self._pushing = np.zeros(num, bool)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        reach = float(world.spec.options["reach"])
        states = frame.truth["state"].astype(float)
        return np.stack([self._act_one(i, state, reach) for i, state in enumerate(states)]).astype(np.float32)

    def _act_one(self, i: int, state: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
        generator = self._generators[i]
        self._noise[i] = 0.8 * self._noise[i] + 0.6 * generator.normal(0, 0.35, 2)
        agent, angle = state[:2], state[4]
        centre = state[2:4] + CENTRE_OF_MASS * np.array([-math.sin(angle), math.cos(angle)])
        to_spot = self._spot[i] - centre
        if self._left[i] <= 0 or np.hypot(*to_spot) < 15:
            self._spot[i], self._aim[i] = generator.uniform(120, 392, 2), generator.uniform(-45, 45)
            self._left[i], self._pushing[i] = self.PATIENCE, False
            to_spot = self._spot[i] - centre
        self._left[i] -= 1
        forward = to_spot / (np.hypot(*to_spot) + 1e-6)
        side = np.array([-forward[1], forward[0]])
        behind = np.clip(centre - self.CLEAR * forward + self._aim[i] * side, 25, 487)
        if np.hypot(*(behind - agent)) < 25:
            self._pushing[i] = True
        target = (
            centre + self._aim[i] * side + 60 * forward
            if self._pushing[i]
            else around(agent, behind, centre, self.CLEAR, 15, 20)
        )
        return np.asarray(np.clip((target - agent) / reach + self._noise[i], -1, 1))
