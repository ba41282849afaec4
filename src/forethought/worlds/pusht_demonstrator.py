"""Demonstrations of Push-T: a controller pushes the block to poses; each episode has its own speed and level of noise.

The field's data set of Push-T is replayed demonstrations with several levels of noise (Zhou et al. 2024, DINO-WM,
arXiv:2411.04983, appendix A); the standard deviation of its actions is 20 px. This policy makes data of that kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forethought.types import Frame
from forethought.worlds.adapter_policies import policy_generators
from forethought.worlds.contract import World

Vector = NDArray[np.float64]

RADIUS = 15.0
"""Of the disc, in pixels."""
CENTRE = np.array([0.0, 45.0])
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


@dataclass
class Episode:
    """What one copy pursues.

    Fields:
        generator: the copy's own random numbers. speed: pixels a step. noise: pixels, of the target of each step.
        wanders: it goes to points near the block in place of pushing it to poses.
        pose: wanted centre of mass and angle, [3]. contact: index of the point that it pushes, -1 before it is chosen.
        left: steps until a new pose. drift: the present noise, [2]. touching: it has come to the contact.
    """

    generator: np.random.Generator
    speed: float
    noise: float
    wanders: bool
    pose: Vector
    contact: int = -1
    left: int = 0
    drift: Vector | None = None
    touching: bool = False


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
        self._episodes = [
            Episode(
                generator,
                speed=float(generator.uniform(4, 10)),
                noise=float(generator.choice(self.NOISES)),
                wanders=bool(generator.random() < self.WANDERING),
                pose=np.zeros(3),
            )
            for generator in policy_generators(seeds)
        ]

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 2] in [-1, 1]."""
        reach = float(world.spec.options["reach"])
        states = frame.truth["state"].astype(float)
        ways = [self._way(episode, state) for episode, state in zip(self._episodes, states, strict=True)]
        return np.clip(np.stack(ways) / reach, -1, 1).astype(np.float32)

    def _way(self, episode: Episode, state: Vector) -> Vector:
        """From the disc to its target, pixels [2]."""
        agent, angle = state[:2], float(state[4])
        centre = state[2:4] + turned(CENTRE, angle)
        apart = np.array([*(episode.pose[:2] - centre), smallest(episode.pose[2] - angle)])
        episode.left -= 1
        if episode.left < 0 or (np.hypot(*apart[:2]) < 10 and abs(apart[2]) < 0.15):
            apart = self._new_pose(episode, centre, angle)
        aim = episode.pose[:2] - agent
        way = aim if episode.wanders else self._pushing(episode, agent, state[2:4], angle, centre, apart)
        length = float(np.hypot(*way))
        speed = episode.speed if episode.touching else self.HASTE * episode.speed
        steady = way * min(1.0, ADVANCE * speed / max(length, 1e-6))
        drift = np.zeros(2) if episode.drift is None else episode.drift
        episode.drift = 0.5 * drift + math.sqrt(0.75) * episode.generator.normal(0, 1, 2)
        return np.asarray(steady + episode.noise * episode.drift)

    def _new_pose(self, episode: Episode, centre: Vector, angle: float) -> Vector:
        """Choose where to bring the block; returns how far it is from there, [3]."""
        generator = episode.generator
        near = centre + generator.uniform(-100, 100, 2) if episode.wanders else generator.uniform(130, 382, 2)
        turn = generator.uniform(-math.pi / 2, math.pi / 2)
        episode.pose = np.array([*np.clip(near, 20, 492), angle + turn])
        episode.left = 10 if episode.wanders else self.PATIENCE
        episode.contact, episode.touching = -1, False
        return np.array([*(episode.pose[:2] - centre), turn])

    def _pushing(self, episode: Episode, agent: Vector, origin: Vector, angle: float, centre: Vector, apart: Vector) -> Vector:
        points = origin + turned(CONTACTS[:, :2], angle)
        inward = turned(CONTACTS[:, 2:], angle)
        worth = pushes_towards(points - centre, inward, apart)
        # A point beyond the board's edge can't be reached; a new point must be clearly better than the present one.
        outside = points - (RADIUS + 8) * inward
        worth = np.where(((outside < 18) | (outside > 494)).any(-1), -2.0, worth)
        worth -= 0.001 * np.hypot(*(outside - agent).T)
        if episode.contact < 0 or worth[episode.contact] < min(0.3, worth.max() - 0.25):
            episode.contact, episode.touching = int(worth.argmax()), False
        chosen, normal = points[episode.contact], inward[episode.contact]
        before = chosen - (RADIUS + 8) * normal
        if not episode.touching and np.hypot(*(before - agent)) > 10:
            return self._around(agent, before, centre, normal)
        episode.touching = True
        at = agent - (chosen - RADIUS * normal)
        aside = at - (at @ normal) * normal
        if np.hypot(*aside) > 25:
            episode.touching = False
        return np.asarray(ADVANCE * episode.speed * normal - aside)

    def _around(self, agent: Vector, goal: Vector, centre: Vector, normal: Vector) -> Vector:
        """The way to a point before a contact that keeps off the block: straight, along a circle, then inwards."""
        way, out = goal - agent, agent - centre
        if way @ normal > 0.9 * np.hypot(*way) and np.hypot(*way) < 80:
            return way
        outside = goal - 20 * normal
        way = outside - agent
        if np.hypot(*way) < 15:
            return goal - agent
        along = np.clip(-(out @ way) / (way @ way + 1e-6), 0, 1)
        if np.hypot(*(out + along * way)) >= self.CLEAR - 5:
            return way
        radial = out / (np.hypot(*out) + 1e-6)
        tangent = np.array([-radial[1], radial[0]])
        tangent *= 1.0 if tangent @ way >= 0 else -1.0
        return np.asarray(np.clip(centre + self.CLEAR * radial + 45 * tangent, 18, 494) - agent)


def turned(vectors: Vector, angle: float) -> Vector:
    """Vectors [..., 2] of the block's frame in the board's."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.asarray(vectors @ np.array([[cos, sin], [-sin, cos]]))


def smallest(angle: float) -> float:
    """The same direction in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


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
