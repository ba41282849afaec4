"""A planner and a cost of the user's own, in an agent's hands (docs/your-own-parts.md)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import tiny
from agent_fixtures import B, changed, see
from forethought.actor.contract import Plan, Planner, PlanningProblem
from forethought.actor.sampling_search import Incumbent
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration, StreamSettings
from forethought.cost import Cost, Imagined
from forethought.errors import ConformanceError, ForethoughtError
from forethought.goals import EncodedGoal
from forethought.perception import check_perception
from forethought.training.train import Method, train
from forethought.types import Task


class Standstill(Planner):
    """Never moves, whatever it costs."""

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon

    def plan(self, problem: PlanningProblem) -> Plan:
        incumbent = Incumbent(problem)
        incumbent.price(torch.zeros(problem.batch, 1, self.horizon, problem.low.numel()))
        return incumbent.plan()


def test_a_planner_of_ones_own_searches() -> None:
    agent = tiny.point_agent(False)
    mine = Agent(agent.configuration, agent.modules, planner=Standstill(agent.configuration.planner.horizon))
    goals, now = see(mine, B, 1), see(mine, B, 2)
    for acting in (agent, mine):
        acting.reset(Task.reach(goals), seed=0)
    assert agent.decide(now, "plan").plan.actions.any()
    assert not mine.decide(now, "plan").plan.actions.any()
    several = changed(tiny.uncertain_agent(), planner={"risk": {"measure": "cvar"}})
    careful = Agent(several.configuration, several.modules, planner=Standstill(several.configuration.planner.horizon))
    careful.reset(Task.reach(see(careful, B, 1)), seed=0)
    found = careful.decide(see(careful, B, 2), "plan").plan
    assert found.states.ndim == found.actions.ndim, "the most likely future alone is on record"
    with pytest.raises(ForethoughtError, match="looks 99 blocks ahead"):
        Agent(agent.configuration, agent.modules, planner=Standstill(99))


class Restless(Cost):
    """Costs most where nothing is done."""

    name = "restless"

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> torch.Tensor:
        return -imagined.actions.square().mean(-1)


def test_a_cost_of_ones_own_counts_as_it_is_weighed() -> None:
    agent = tiny.point_agent(False)
    modules = AgentNetworks(agent.configuration)
    modules.load_state_dict(agent.modules.state_dict())
    modules.energy.task.append(Restless())
    taken = []
    for weight in (0.0, 100.0):
        acting = Agent(agent.configuration.changed({"planner": {"cost": {"extra": {"restless": weight}}}}, "to see"), modules)
        acting.reset(Task.reach(see(acting, B, 1)), seed=0)
        taken.append(acting.decide(see(acting, B, 2), "plan").plan.actions.square().mean())
    assert taken[1] > 1.2 * taken[0]


class Plain(nn.Module):
    """Frozen, with nothing in it that is called `fuse`."""

    def __init__(self, streams: tuple[StreamSettings, ...], state_dim: int) -> None:
        super().__init__()
        self.streams, self.state_dim = streams, state_dim
        self.only = nn.Linear(streams[0].shape[0], state_dim).requires_grad_(False)

    def forward(self, observation: dict[str, Tensor], visible: dict[str, Tensor] | None = None) -> Tensor:
        name = self.streams[0].name
        mask = 1.0 if visible is None else visible[name].float()
        states: Tensor = self.only(observation[name] * mask)
        return states


class Forgetful(Plain):
    """Takes no `visible`."""

    def forward(self, observation: dict[str, Tensor]) -> Tensor:  # type: ignore[override]
        return super().forward(observation)


def with_plain(configuration: Configuration) -> AgentNetworks:
    modules = AgentNetworks(configuration)
    modules.world_model.perception = Plain(configuration.data.streams, configuration.model.encoder.state_dim)  # type: ignore[assignment]
    return modules


def test_a_frozen_encoder_of_ones_own_passes_the_kit_and_is_trained_with(tmp_path: Path) -> None:
    streams = tiny.point_agent(False).configuration.data.streams
    check_perception(Plain(streams, 8), streams, 8)
    wanted = {**tiny.SMALL, "training.loss.lsuv_init": True}
    agent = train(tiny.point_store(False), out=tmp_path / "run", config=wanted, method=Method(build=with_plain))
    assert isinstance(agent.modules.world_model.perception, Plain)


def test_the_kit_tells_what_training_will_miss() -> None:
    streams = tiny.point_agent(False).configuration.data.streams
    with pytest.raises(ConformanceError, match="`state_dim` that is 9"):
        check_perception(Plain(streams, 8), streams, 9)
    with pytest.raises(ConformanceError, match=r"\(observation, visible\)"):
        check_perception(Forgetful(streams, 8), streams, 8)
