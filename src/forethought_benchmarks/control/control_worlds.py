"""The worlds of the benchmark `control`, with the return that counts as solved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class ControlWorld:
    """One world.

    Fields:
        name: in the rows, and of its hyper-parameters in `zoo`. gym_id: what Gymnasium makes.
        threshold: return that counts as solved. discrete: its kind of actions.
        life_steps: environment steps of Forethought's life.
        max_steps: length of an episode where Gymnasium's registry has none; None if it has one.
        drives: what the body senses, as the option `drives` of any Gymnasium environment.
    """

    name: str
    gym_id: str
    threshold: float
    discrete: bool
    life_steps: int
    max_steps: int | None = None
    drives: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def options(self) -> dict[str, Any]:
        """Of the world, for a life."""
        given = {"max_steps": self.max_steps, "drives": dict(self.drives)}
        return {name: value for name, value in given.items() if value}


def _registered(name: str, threshold: float, life_steps: int, discrete: bool = False) -> ControlWorld:
    return ControlWorld(name, name, threshold, discrete, life_steps)


def _suite(task: str, threshold: float, life_steps: int) -> ControlWorld:
    """A task of dm_control's suite through shimmy: its observation is flattened, and an episode has 1,000 steps."""
    name = f"dm_control/{task}-v0"
    return ControlWorld(name, f"shimmy:{name}", threshold, discrete=False, life_steps=life_steps, max_steps=1000)


_ALL = (
    _registered("CartPole-v1", 500, 3_000, discrete=True),
    _registered("Acrobot-v1", -100, 10_000, discrete=True),
    _registered("Pendulum-v1", -200, 5_000),
    _registered("MountainCarContinuous-v0", 90, 10_000),
    _registered("LunarLander-v3", 200, 50_000, discrete=True),
    _registered("LunarLanderContinuous-v3", 200, 50_000),
    _suite("cartpole-swingup", 800, 30_000),
    _suite("reacher-easy", 900, 30_000),
    _suite("ball_in_cup-catch", 900, 30_000),
    _suite("finger-spin", 800, 30_000),
    _registered("Hopper-v5", 3_000, 100_000),
)

CONTROL_WORLDS: Mapping[str, ControlWorld] = MappingProxyType({world.name: world for world in _ALL})
"""Name -> world, in the order of the tables."""
