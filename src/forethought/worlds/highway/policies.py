"""Scripted policies: they see the truth, and serve collection, the random floor and the ceilings.

No policy reacts within a block to what that block shows (see the trap in docs/stochastic-prediction.md): each decides
whether to go on or to wait at the start of a block.
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
"""Added to an episode's seed for its noise: above all seeds that collections and tasks use."""
GENTLE = 4.0
"""Braking with which one who waits comes to stand at the line, m/s2."""
SETTLING = 0.4
"""Seconds in which a wanted speed is taken up."""
FICKLE = 0.04
"""Rate per step at which an explorer wants another speed."""


def _copies(world: World) -> list[HighwayCopy]:
    """The world's copies, known to be ours: these policies read their truth."""
    copies = getattr(world, "copies", [])
    assert all(isinstance(copy, HighwayCopy) for copy in copies)
    return list(copies)


def at_speed(wanted: float, speed: float) -> float:
    """The action that takes up a wanted speed, m/s."""
    acceleration = (wanted - speed) / SETTLING
    return float(np.clip((2 * acceleration + BRAKING - STARTING) / (BRAKING + STARTING), -1, 1))


def wait(scene: Scene, progress: float, speed: float) -> float:
    """The action that goes on as far as the line and stands there; beyond the line one gets away."""
    left = scene.line - progress
    if left < -1.0:
        return 1.0
    return at_speed(min(scene.top, float(np.sqrt(2 * GENTLE * max(left - speed * SETTLING, 0.0)))), speed)


class DriverPolicy(abc.ABC):
    """One way to drive, for each copy by itself."""

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
        """Copy `index`'s action; `begins`: a block begins."""


class HighwayGreedyPolicy(DriverPolicy):
    """Goes on at full speed, whoever comes."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        super().reset(world, seeds)
        self._goes = [False] * len(seeds)

    def one(self, index: int, copy: HighwayCopy, begins: bool) -> float:
        """Full speed, or on the way to the line."""
        if begins:
            self._goes[index] = self.goes(copy)
        return 1.0 if self._goes[index] else wait(copy.maker.scene, copy.progress, copy.speed)

    def goes(self, copy: HighwayCopy) -> bool:
        """Whether to go on in this block."""
        return True


class HighwayRiskAversePolicy(HighwayGreedyPolicy):
    """Goes on only where no kind of driver would be in the way: the driver is unknown to it until he has shown himself."""

    def goes(self, copy: HighwayCopy) -> bool:
        """Whether going on is safe whatever the driver may still mean."""
        possible = {0.0: [False], 1.0: [True]}.get(copy.maker.options.yields, [False, True])
        return all(unhurt(copy, yields) for yields in ([copy.traffic.yields] if copy.told() else possible))


class HighwayExpertPolicy(HighwayGreedyPolicy):
    """As the careful one, but it knows the driver: the ceiling."""

    def goes(self, copy: HighwayCopy) -> bool:
        """Whether going on is safe."""
        return unhurt(copy, copy.traffic.yields)


def unhurt(copy: HighwayCopy, yields: bool) -> bool:
    """Whether the ego would come through at full speed from now on, if the driver meant that."""
    now = np.array([copy.progress]), np.array([copy.speed])
    return bool(nearest_ahead(copy.maker.scene, *now, copy.foretold(yields))[0] > MARGIN)


class HighwayExploringPolicy(DriverPolicy):
    """Wants a speed for a while, then another; looks at nobody."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        super().reset(world, seeds)
        self._wanted = [generator.random() for generator in self.generators]

    def one(self, index: int, copy: HighwayCopy, begins: bool) -> float:
        """Towards the wanted speed."""
        generator = self.generators[index]
        if generator.random() < FICKLE:
            self._wanted[index] = generator.random()
        return at_speed(self._wanted[index] * copy.maker.scene.top, copy.speed)


class HighwayMixturePolicy(DriverPolicy):
    """What collection uses: of four copies two are hasty, one is careful and one explores, all with some noise."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Begin new episodes."""
        super().reset(world, seeds)
        kinds = (HighwayGreedyPolicy(), HighwayGreedyPolicy(), HighwayRiskAversePolicy(), HighwayExploringPolicy())
        for policy in kinds:
            policy.reset(world, seeds)
        self._mine: list[DriverPolicy] = [kinds[seed % len(kinds)] for seed in seeds]
        # The explorer draws from the same seeds, in a stream of its own.
        self._noise = policy_generators([seed + NOISE_SEEDS for seed in seeds])

    def one(self, index: int, copy: HighwayCopy, begins: bool) -> float:
        """What this copy's kind of driver does, and some noise."""
        action = self._mine[index].one(index, copy, begins) + NOISE * self._noise[index].normal()
        return float(np.clip(action, -1, 1))


POLICIES: dict[str, Callable[[], ScriptedPolicy]] = {
    "random": UniformPolicy,
    "exploring": HighwayExploringPolicy,
    "hasty": HighwayGreedyPolicy,
    "careful": HighwayRiskAversePolicy,
    "expert": HighwayExpertPolicy,
    "mixed": HighwayMixturePolicy,
}
