"""A memory and a mode selector of the user's own, passed to the agent as objects."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from agent_fixtures import acted
from forethought.agent import Agent
from forethought.configurator.mode_selector import ControlSignal, ModeSelector
from forethought.errors import ForethoughtError
from forethought.memory import Recent, ShortTermMemory


class Listing:
    """A memory that is a list, with nothing but what the agent asks for."""

    def __init__(self) -> None:
        self.rows: list[tuple[Tensor, Tensor]] = []

    @property
    def filled(self) -> int:
        return len(self.rows)

    def reset(self, batch: int) -> None:
        self.rows = []

    def write(self, state: Tensor, action: Tensor, energies: Tensor) -> None:
        self.rows.append((state, action))

    def context(self, rows: int) -> Recent:
        states, actions = zip(*self.rows[-rows:], strict=True)
        return Recent(torch.stack(states, 1), torch.stack(actions, 1)[:, 1:])


def test_a_memory_of_ones_own_is_written_and_read() -> None:
    agent, memory = tiny.point_agent(False), Listing()
    mine = Agent(agent.configuration, agent.modules, memory=memory)
    assert torch.equal(acted(mine).plan.actions, acted(agent).plan.actions)
    assert memory.filled == 1
    with pytest.raises(ForethoughtError, match="memory can't hold 1 rows of 16"):
        Agent(agent.configuration, agent.modules, memory=ShortTermMemory(4, 5, 4, 2))


class Lazy(ModeSelector):
    """Reacts, whatever it was asked for."""

    def direct(self, mode: Any, distance: Tensor, promised: Tensor, horizon: int, left: Tensor) -> ControlSignal:
        return super().direct("react", distance, promised, horizon, left)


def test_an_executive_of_ones_own_decides() -> None:
    agent = tiny.point_agent(False)
    assert acted(agent).planned.all()
    mine = Agent(agent.configuration, agent.modules, executive=Lazy(agent.configuration))
    assert not acted(mine).planned.any()
    several = tiny.uncertain_agent()
    mine = Agent(several.configuration, several.modules, memory=Listing(), executive=Lazy(several.configuration))
    other = mine.with_cvar(0.5)
    assert not acted(other).planned.any()
    assert isinstance(other.memory, Listing)
    assert other.memory is not mine.memory, "two agents don't write into one memory"


def test_an_agent_is_made_from_its_configuration_alone() -> None:
    assert acted(Agent(tiny.point_agent(False).configuration)).plan.actions.isfinite().all()
