"""Recorded plans that reach a goal among others: a model without actions and a cost that is upside down are told apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import tiny
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.evaluation.health import critic_rank
from forethought.evaluation.plan_ranking import rank_plans, share_before
from forethought.world_model.level import Context


def exact_agent(monkeypatch: pytest.MonkeyPatch, still: bool = False, upside_down: bool = False) -> Agent:
    """An agent with the true dynamics of the point, or one without an effect of actions; and a cost of distance, or its
    opposite."""
    agent = tiny.point_agent()
    model, dim = agent.modules.world_model, agent.modules.world_model.state_dim

    def encode(observation: dict[str, Tensor]) -> Tensor:
        place = observation["proprioception"][..., :2]
        return nn.functional.pad(place, (0, dim - 2))

    def rollout(context: Context, actions: Tensor, *_: object) -> Tensor:
        steps = torch.unflatten(actions, -1, (2, 2)).sum(-2) * (0.0 if still else 0.2)
        place = context.states[:, None, -1, :2]
        moved = []
        for step in range(actions.shape[2]):
            place = place + steps[:, :, step]
            moved.append(nn.functional.pad(place, (0, dim - 2)))
        return torch.stack(moved, 2)

    monkeypatch.setattr(model, "encode", encode)
    monkeypatch.setattr(model, "rollout", rollout)
    sign = -1.0 if upside_down else 1.0

    def distance(imagined: object, goal: object) -> Tensor:
        states, target = imagined.states, goal.state  # type: ignore[attr-defined]
        return 100.0 + sign * (states - target[:, None, None]).square().sum(-1)

    for cost in list(agent.modules.energy.task)[:2]:
        monkeypatch.setattr(cost, "forward", distance)
    return agent


def test_a_share_counts_the_others_that_cost_less() -> None:
    costs = torch.tensor([[2.0, 1.0, 3.0], [0.0, 5.0, 9.0], [4.0, 4.0, 4.0]])
    assert share_before(costs, costs.diagonal()) == pytest.approx((1 + 0 + 1 + 0 + 0.5 + 0.5) / 6)


def test_a_right_model_and_cost_put_the_recorded_plan_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rank_plans(exact_agent(monkeypatch), tiny.point_store(False))
    assert found is not None
    assert found.imagined < 0.2
    assert found.search < 0.5


def test_a_model_that_ignores_actions_is_chance_where_observed_states_are_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = rank_plans(exact_agent(monkeypatch, still=True), tiny.point_store(False))
    assert found is not None
    assert found.imagined > 0.4
    assert found.observed < 0.3


def test_a_cost_that_is_upside_down_is_wrong_along_observed_states_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rank_plans(exact_agent(monkeypatch, upside_down=True), tiny.point_store(False))
    assert found is not None
    assert found.imagined > 0.5
    assert found.observed > 0.5


def test_a_cost_by_name_is_ranked_alone_and_a_critic_that_plans_do_not_count_is_not_judged() -> None:
    store = tiny.point_store(False)
    usual = tiny.point_agent()
    weights = {"planner.cost.critic": 0.0, "planner.cost.extra": {"goal_energy": 1.0}}
    configuration = usual.configuration.changed(weights, "so that the goal's energy counts")
    energy = Agent(configuration, AgentNetworks(configuration), usual.device)
    ranked = [rank_plans(agent, store) for agent in (usual, energy)]
    assert [None if found is None else sorted(found.by_cost) for found in ranked] == [
        ["critic", "goal_distance"],
        ["critic", "goal_distance", "goal_energy"],
    ]
    assert critic_rank(usual, store) is not None
    assert critic_rank(energy, store) is None


def test_agents_with_levels_above_are_not_ranked() -> None:
    assert rank_plans(tiny.two_level_agent(), tiny.rooms_store()) is None
