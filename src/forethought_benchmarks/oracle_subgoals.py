"""Oracle and random subgoals instead of those of the upper levels, to measure the loss from generated subgoals.

Level 1 and its goal interface are the same in all three cases.
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
from forethought.evaluation.arena import ORACLE, Arena
from forethought.evaluation.episodes import AgentController
from forethought.evaluation.score import score_controller
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
"""(environment, current frame, agent) -> subgoals of N episodes, as states of level 1 [N, D]."""


class SubgoalController(AgentController):
    """The agent's level 1 with subgoals from `source`, which is called once per stride of level 2, as level 2 would plan."""

    def __init__(self, agent: Agent, mode: Mode, source: Source) -> None:
        """`source`: `OracleSubgoals` or `RandomSubgoals`."""
        super().__init__(agent, mode)
        self.given = FixedSubgoals(agent.modules.above[0], agent.configuration.planner.upper)
        self.agent.subgoals, self.source = self.given, source

    def act(self, world: World, frame: Frame, step: int) -> NDArray[np.float32]:
        """See `Controller`."""
        if step % (self.block * self.given.stage.span) == 0:
            self.given.given = self.source(world, frame, self.agent)
        return super().act(world, frame, step)


def score_led(agent: Agent, run: Path, arena: Arena, seed: int) -> None:
    """Score an agent with oracle and with random subgoals; cached in the run's scores as `LED`. `seed`: of the samples."""
    oracle = OracleSubgoals()
    sources: tuple[Source, ...] = (oracle, RandomSubgoals(seed))
    for name, source in zip(LED, sources, strict=True):
        led = Variant(name, changes=EFFORT)
        controller = SubgoalController(led.of(agent), "plan", source)
        kept_score(run, arena, led, partial(score_controller, controller, arena, arena.reference()))
    oracle.close()


class OracleSubgoals:
    """The expert's state one stride of level 2 ahead, simulated in a copy of the environment."""

    def __init__(self) -> None:
        """The copy of an adapted environment is created once, because that is slow."""
        self.spare: World | None = None

    def __call__(self, world: World, frame: Frame, agent: Agent) -> Tensor:
        """See `Source`."""
        simulator, frame = self._copy_of(world, frame)
        expert = registry.policy(world.spec.name, ORACLE)
        expert.reset(simulator, range(world.num))
        for _ in range(agent.modules.above[0].span * agent.configuration.data.block):
            frame = simulator.step(expert.act(simulator, frame))
        return encode_observations(agent, frame.observation)

    def _copy_of(self, world: World, frame: Frame) -> tuple[World, Frame]:
        """Another environment in the same state with the same tasks, and its frame."""
        if isinstance(world, RoomsWorld):
            return deepcopy(world), frame
        assert isinstance(world, GymnasiumWorld), "the state of an adapted environment is its true state alone"
        self.spare = self.spare or registry.make(world.spec.name, world.num, **world.spec.options)
        pairs = zip(world.tasks, frame.truth["state"].tolist(), strict=True)
        return self.spare, self.spare.begin([replace(task, start=tuple(state)) for task, state in pairs])

    def close(self) -> None:
        """Close the copy."""
        if self.spare is not None:
            self.spare.close()


class RandomSubgoals:
    """A random state of the memory."""

    def __init__(self, seed: int) -> None:
        """`seed`: of the samples."""
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, world: World, frame: Frame, agent: Agent) -> Tensor:
        """See `Source`."""
        states = agent.modules.above[0].bank_below
        index = torch.randint(len(states), (world.num,), generator=self.generator)
        return states[index.to(states.device)]
