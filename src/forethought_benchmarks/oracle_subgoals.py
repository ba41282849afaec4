"""Subgoals from elsewhere than the levels above: the expert's (an oracle) or any, to see what generating them costs.

Level 1 is the same in all three, and so is how it is told a subgoal.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.configurator.mode_selector import Mode
from forethought.evaluation.episodes import AgentController
from forethought.evaluation.evaluate import ORACLE, Arena, score_controller
from forethought.evaluation.states import encode_observations
from forethought.planning import FixedSubgoals
from forethought.types import Frame
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.contract import World
from forethought.worlds.rooms.world import RoomsWorld
from forethought_benchmarks.cached_experiments import Variant, kept_score
from forethought_benchmarks.variants import EFFORT

LED = ("oracle-subgoals", "random-subgoals")
Source = Callable[[World, Frame, Agent], Tensor]
"""The world as it stands, and what it shows -> subgoals of N episodes, as states of level 1 [N, D]."""


class SubgoalController(AgentController):
    """The agent's level 1, led by subgoals from a source that is asked once a stride of level 2, as it would plan itself."""

    def __init__(self, agent: Agent, mode: Mode, source: Source) -> None:
        """`source`: the expert's or any; see below."""
        super().__init__(agent, mode)
        self.given = FixedSubgoals(agent.modules.above[0], agent.configuration.planner.upper)
        self.agent.subgoals, self.source = self.given, source

    def act(self, world: World, frame: Frame, step: int) -> NDArray[np.float32]:
        """See `Controller`."""
        if step % (self.block * self.given.stage.span) == 0:
            self.given.given = self.source(world, frame, self.agent)
        return super().act(world, frame, step)


def score_led(agent: Agent, run: Path, arena: Arena, seed: int) -> None:
    """An agent led by the expert's subgoals, and by any; kept in the run's scores as `LED`. `seed`: of the draws."""
    oracle = OracleSubgoals()
    sources: tuple[Source, ...] = (oracle, RandomSubgoals(seed))
    for name, source in zip(LED, sources, strict=True):
        led = Variant(name, changes=EFFORT)
        controller = SubgoalController(led.of(agent), "plan", source)
        kept_score(run, arena, led, partial(score_controller, controller, arena, arena.reference()))
    oracle.close()


class OracleSubgoals:
    """Where the expert would be a stride of level 2 from now: another copy of the world is played on from here."""

    def __init__(self) -> None:
        """Its copy of an adapted world, slow to make, is kept."""
        self.spare: World | None = None

    def __call__(self, world: World, frame: Frame, agent: Agent) -> Tensor:
        """See `Source`."""
        ahead, frame = self._as_it_stands(world, frame)
        expert = registry.policy(world.spec.name, ORACLE)
        expert.reset(ahead, range(world.num))
        for _ in range(agent.modules.above[0].span * agent.configuration.data.block):
            frame = ahead.step(expert.act(ahead, frame))
        return encode_observations(agent, frame.observation)

    def _as_it_stands(self, world: World, frame: Frame) -> tuple[World, Frame]:
        """Another world in the same state, tasks in progress and all."""
        if isinstance(world, RoomsWorld):
            return deepcopy(world), frame
        assert isinstance(world, GymnasiumWorld), "of an adapted world the true state is all"
        self.spare = self.spare or registry.make(world.spec.name, world.num, **world.spec.options)
        pairs = zip(world.tasks, frame.truth["state"].tolist(), strict=True)
        return self.spare, self.spare.begin([replace(task, start=tuple(here)) for task, here in pairs])

    def close(self) -> None:
        """Close the copy that was kept."""
        if self.spare is not None:
            self.spare.close()


class RandomSubgoals:
    """Any remembered state."""

    def __init__(self, seed: int) -> None:
        """`seed` of the draws."""
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, world: World, frame: Frame, agent: Agent) -> Tensor:
        """See `Source`."""
        known = agent.modules.above[0].bank_below
        moment = torch.randint(len(known), (world.num,), generator=self.generator)
        return known[moment.to(known.device)]
