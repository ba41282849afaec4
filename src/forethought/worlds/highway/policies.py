"""Scripted policies for collection, for the random floor and for the expert ceiling; they read the true state.

Each policy decides at the start of a block whether to go or to wait. No policy reacts within a block to observations of the
same block, because its actions would contain information about the outcome (docs/stochastic-prediction.md).
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from forethought.types import Frame
from forethought.worlds.adapter_policies import UniformPolicy, policy_generators
from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.highway.safety import MARGIN, nearest_ahead
from forethought.worlds.highway.scenes import BRAKING, STARTING, Scene
from forethought.worlds.highway.world import HighwayCopy

NOISE = 0.3
"""Standard deviation of the action noise in collection."""
NOISE_SEEDS = 2**40
"""Offset of the noise seeds: above all seeds of collections and tasks."""
GENTLE = 4.0
"""Deceleration of a waiting car before the line, m/s2."""
SETTLING = 0.4
"""Time constant of the speed control, s."""
FICKLE = 0.04
"""Probability per step that an explorer samples a new target speed."""


def _copies(world: World) -> list[HighwayCopy]:
    """The copies as `HighwayCopy`, whose true state these policies read."""
    copies = getattr(world, "copies", [])
    assert all(isinstance(copy, HighwayCopy) for copy in copies)
    return list(copies)


def at_speed(wanted: float, speed: float) -> float:
    """The action that approaches a target speed, m/s."""
    acceleration = (wanted - speed) / SETTLING
    return float(np.clip((2 * acceleration + BRAKING - STARTING) / (BRAKING + STARTING), -1, 1))


def wait(scene: Scene, progress: float, speed: float) -> float:
    """The action that drives to the line and stops there; a car beyond the line accelerates."""
    distance = scene.line - progress
    if distance < -1.0:
        return 1.0
    return at_speed(min(scene.top, float(np.sqrt(2 * GENTLE * max(distance - speed * SETTLING, 0.0)))), speed)


class DriverPolicy(abc.ABC):
    """A driving policy that acts in each copy independently."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        self._step = 0
        self.generators = policy_generators(seeds)

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, 1]."""
        begins = self._step % world.spec.block == 0
        self._step += 1
        return np.array([[self.one(i, copy, begins)] for i, copy in enumerate(_copies(world))], np.float32)

    @abc.abstractmethod
    def one(self, index: int, copy: HighwayCopy, begins: bool) -> float:
        """Action of copy `index`; `begins`: whether a block starts at this step."""


class HighwayGreedyPolicy(DriverPolicy):
    """Drives at full speed and ignores the other cars."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        super().reset(world, seeds)
        self._goes = [False] * len(seeds)

    def one(self, index: int, copy: HighwayCopy, begins: bool) -> float:
        """Full speed, or stopping at the line."""
        if begins:
            self._goes[index] = self.goes(copy)
        return 1.0 if self._goes[index] else wait(copy.maker.scene, copy.progress, copy.speed)

    def goes(self, copy: HighwayCopy) -> bool:
        """Whether to go in this block."""
        return True


class HighwayRiskAversePolicy(HighwayGreedyPolicy):
    """Goes only if it is safe for every possible intent of the other driver, which is unknown until it becomes visible."""

    def goes(self, copy: HighwayCopy) -> bool:
        """Whether going is safe for all intents that are still possible."""
        possible = {0.0: [False], 1.0: [True]}.get(copy.maker.options.yields, [False, True])
        return all(unhurt(copy, yields) for yields in ([copy.traffic.yields] if copy.told() else possible))


class HighwayExpertPolicy(HighwayGreedyPolicy):
    """The risk-averse policy with knowledge of the intent: the ceiling."""

    def goes(self, copy: HighwayCopy) -> bool:
        """Whether going is safe."""
        return unhurt(copy, copy.traffic.yields)


def unhurt(copy: HighwayCopy, yields: bool) -> bool:
    """Whether the ego passes safely at full speed from now on, if the other driver has the intent `yields`."""
    now = np.array([copy.progress]), np.array([copy.speed])
    return bool(nearest_ahead(copy.maker.scene, *now, copy.foretold(yields))[0] > MARGIN)


class HighwayExploringPolicy(DriverPolicy):
    """Follows a target speed that changes at random, and ignores the other cars."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        super().reset(world, seeds)
        self._target_speed = [generator.random() for generator in self.generators]

    def one(self, index: int, copy: HighwayCopy, begins: bool) -> float:
        """The action towards the target speed."""
        generator = self.generators[index]
        if generator.random() < FICKLE:
            self._target_speed[index] = generator.random()
        return at_speed(self._target_speed[index] * copy.maker.scene.top, copy.speed)


class HighwayMixturePolicy(DriverPolicy):
    """Default policy of collection: of four copies, two are greedy, one is risk-averse and one explores, all with noise."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        super().reset(world, seeds)
        kinds = (HighwayGreedyPolicy(), HighwayGreedyPolicy(), HighwayRiskAversePolicy(), HighwayExploringPolicy())
        for policy in kinds:
            policy.reset(world, seeds)
        self._assigned: list[DriverPolicy] = [kinds[seed % len(kinds)] for seed in seeds]
        # The explorer uses the same seeds; the offset gives the noise its own generator.
        self._noise = policy_generators([seed + NOISE_SEEDS for seed in seeds])

    def one(self, index: int, copy: HighwayCopy, begins: bool) -> float:
        """The action of this copy's policy plus noise."""
        action = self._assigned[index].one(index, copy, begins) + NOISE * self._noise[index].normal()
        return float(np.clip(action, -1, 1))


POLICIES: dict[str, Callable[[], ScriptedPolicy]] = {
    "random": UniformPolicy,
    "exploring": HighwayExploringPolicy,
    "hasty": HighwayGreedyPolicy,
    "careful": HighwayRiskAversePolicy,
    "expert": HighwayExpertPolicy,
    "mixed": HighwayMixturePolicy,
}
