"""Demonstrations of Push-T: a controller pushes the block to poses; each episode has its own speed and level of noise.

The field's data set of Push-T is replayed demonstrations with several levels of noise (Zhou et al. 2024, DINO-WM,
arXiv:2411.04983, appendix A); the standard deviation of its actions is 20 px. This policy makes data of that kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forethought.types import Frame
from forethought.worlds.adapter_policies import policy_generators
from forethought.worlds.contract import World
from forethought.worlds.pusht import CENTRE_OF_MASS, around, smallest

Vector = NDArray[np.float64]

RADIUS = 15.0
"""Of the disc, in pixels."""
CENTRE = np.array([0.0, CENTRE_OF_MASS])
"""Centre of mass of the T in its own frame: the origin is the middle of the bar's outer edge, the stem points along y."""
CONTACTS = np.array(
    [[x, 0.0, 0.0, 1.0] for x in (-50.0, -25.0, 0.0, 25.0, 50.0)]
    + [[60.0 * side, 15.0, -side, 0.0] for side in (-1.0, 1.0)]
    + [[x * side, 30.0, 0.0, -1.0] for side in (-1.0, 1.0) for x in (38.0, 54.0)]
    + [[15.0 * side, y, -side, 0.0] for side in (-1.0, 1.0) for y in (55.0, 75.0, 95.0, 112.0)]
    + [[0.0, 120.0, 0.0, -1.0]]
)
"""Points on the outline where the disc can push, [C, 4]: the point and its inward normal, in the block's frame."""
TURNING_RADIUS = 40.0
"""Pixels that weigh a radian of turning: a push at the end of the bar turns the block about a point so far away."""
ADVANCE = 2.2
"""Target of the disc ahead of it, in steps' ways: its controller covers 45 % of the way to a steady target in a step."""


class Pursuit:
    """What one copy pursues.

    Attributes:
        generator: the copy's own random numbers. speed: pixels a step. noise: pixels, of the target of each step.
        wanders: it goes to points near the block in place of pushing it to poses.
        pose: wanted centre of mass and angle, [3]. left: steps until a new one.
        contact: index of the point that it pushes, -1 before it is chosen. touching: it has come there.
        drift: the present noise, [2], in standard deviations.
    """

    def __init__(self, generator: np.random.Generator, noises: Sequence[float], wandering: float) -> None:
        """Choose speed, noise and kind. Args: noises: the levels. wandering: share of episodes that wander."""
        self.generator = generator
        self.speed = float(generator.uniform(4, 10))
        self.noise = float(generator.choice(noises))
        self.wanders = bool(generator.random() < wandering)
        self.pose, self.left = np.zeros(3), 0
        self.contact, self.touching = -1, False
        self.drift = np.zeros(2)


class PushTDemonstrator:
    """Pushes the block to one random pose after the other, at the edge whose push moves and turns it the right way.

    Each episode has its own speed (4 to 10 px a step) and level of noise (0 to 32 px); one in ten wanders near the block.
    """

    NOISES = (0.0, 4.0, 8.0, 16.0, 32.0)
    WANDERING = 0.1
    PATIENCE = 80
    CLEAR = 78.0
    """Distance from the centre of mass at which the disc goes around the block; it may brush the stem's end."""
    HASTE = 1.8
    """Speed on the way to a contact, as a multiple of the speed of a push."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes with new random generators."""
        generators = policy_generators(seeds)
        self._pursuits = [Pursuit(generator, self.NOISES, self.WANDERING) for generator in generators]

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        reach = float(world.spec.options["reach"])
        states = frame.truth["state"].astype(float)
        ways = [self._way(pursuit, state) for pursuit, state in zip(self._pursuits, states, strict=True)]
        return np.clip(np.stack(ways) / reach, -1, 1).astype(np.float32)

    def _way(self, pursuit: Pursuit, state: Vector) -> Vector:
        """From the disc to its target, pixels [2]."""
        agent, angle = state[:2], float(state[4])
        centre = state[2:4] + turned(CENTRE, angle)
        apart = np.array([*(pursuit.pose[:2] - centre), smallest(pursuit.pose[2] - angle)])
        pursuit.left -= 1
        if pursuit.left < 0 or (np.hypot(*apart[:2]) < 10 and abs(apart[2]) < 0.15):
            apart = self._new_pose(pursuit, centre, angle)
        aim = pursuit.pose[:2] - agent
        way = aim if pursuit.wanders else self._pushing(pursuit, agent, state[2:4], angle, centre, apart)
        length = float(np.hypot(*way))
        speed = pursuit.speed if pursuit.touching else self.HASTE * pursuit.speed
        steady = way * min(1.0, ADVANCE * speed / max(length, 1e-6))
        pursuit.drift = 0.5 * pursuit.drift + math.sqrt(0.75) * pursuit.generator.normal(0, 1, 2)
        return np.asarray(steady + pursuit.noise * pursuit.drift)

    def _new_pose(self, pursuit: Pursuit, centre: Vector, angle: float) -> Vector:
        """Choose where to bring the block; returns how far it is from there, [3]."""
        generator = pursuit.generator
        near = centre + generator.uniform(-100, 100, 2) if pursuit.wanders else generator.uniform(130, 382, 2)
        turn = generator.uniform(-math.pi / 2, math.pi / 2)
        pursuit.pose = np.array([*np.clip(near, 20, 492), angle + turn])
        pursuit.left = 10 if pursuit.wanders else self.PATIENCE
        pursuit.contact, pursuit.touching = -1, False
        return np.array([*(pursuit.pose[:2] - centre), turn])

    def _pushing(self, pursuit: Pursuit, agent: Vector, origin: Vector, angle: float, centre: Vector, apart: Vector) -> Vector:
        points = origin + turned(CONTACTS[:, :2], angle)
        inward = turned(CONTACTS[:, 2:], angle)
        worth = pushes_towards(points - centre, inward, apart)
        # A point beyond the board's edge can't be reached; a new point must be clearly better than the present one.
        outside = points - (RADIUS + 8) * inward
        worth = np.where(((outside < 18) | (outside > 494)).any(-1), -2.0, worth)
        worth -= 0.001 * np.hypot(*(outside - agent).T)
        if pursuit.contact < 0 or worth[pursuit.contact] < min(0.3, worth.max() - 0.25):
            pursuit.contact, pursuit.touching = int(worth.argmax()), False
        chosen, normal = points[pursuit.contact], inward[pursuit.contact]
        before = chosen - (RADIUS + 8) * normal
        if not pursuit.touching and np.hypot(*(before - agent)) > 10:
            return self._around(agent, before, centre, normal)
        pursuit.touching = True
        at = agent - (chosen - RADIUS * normal)
        aside = at - (at @ normal) * normal
        if np.hypot(*aside) > 25:
            pursuit.touching = False
        return np.asarray(ADVANCE * pursuit.speed * normal - aside)

    def _around(self, agent: Vector, goal: Vector, centre: Vector, normal: Vector) -> Vector:
        """The way to a point before a contact that keeps off the block: straight, along a circle, then inwards."""
        way = goal - agent
        if way @ normal > 0.9 * np.hypot(*way) and np.hypot(*way) < 80:
            return way
        outside = goal - 20 * normal
        if np.hypot(*(outside - agent)) < 15:
            return way
        return around(agent, outside, centre, self.CLEAR, 5, 18) - agent


def turned(vectors: Vector, angle: float) -> Vector:
    """Vectors [..., 2] of the block's frame in the board's."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.asarray(vectors @ np.array([[cos, sin], [-sin, cos]]))


def pushes_towards(arms: Vector, inward: Vector, apart: Vector) -> Vector:
    """How well each push leads to a pose, [C] in [-1, 1]: the cosine between its motion and the wanted one.

    Args:
        arms: from the centre of mass to the contacts, [C, 2] in pixels. inward: directions of the pushes, [C, 2].
        apart: from the present pose to the wanted one, [3]: pixels, pixels, radians.
    """
    torque = arms[:, 0] * inward[:, 1] - arms[:, 1] * inward[:, 0]
    motion = np.concatenate([inward, torque[:, None] / TURNING_RADIUS], 1)
    wanted = np.array([apart[0], apart[1], TURNING_RADIUS * apart[2]])
    return np.asarray(motion @ wanted / (np.linalg.norm(motion, axis=1) * np.linalg.norm(wanted) + 1e-6))
