"""Plans of the levels above where the model is stochastic: scenarios, risk, and what is expected of a plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from agent_fixtures import changed
from forethought.agent import Agent
from forethought.agent_networks import encode_levels
from forethought.types import Task
from subgoal_fixtures import (
    B,
    assert_alone_as_together,
    begun,
    far_apart,
    problem_of,
    rows,
    states,
)


@pytest.fixture
def uncertain() -> Agent:
    return far_apart(tiny.uncertain_agent())


@torch.no_grad()
def test_a_plan_is_imagined_in_futures_that_all_candidates_share(uncertain: Agent) -> None:
    hierarchy = begun(uncertain)
    now = encode_levels(hierarchy.stages, states(uncertain, 2))[1:]
    macros = torch.randn(B, 1, 2, 3).expand(-1, 5, -1, -1)
    for number, state in enumerate(now):
        futures, goal = hierarchy.planners[number].scenarios(torch.arange(B)), hierarchy.goals[number]
        assert futures is not None
        assert (futures.chance[0] != futures.chance[1]).all(), "each episode has its own"
        problem = problem_of(hierarchy, number, state, goal, scenarios=futures)
        imagined = problem.rollout(macros)
        assert imagined.shape == (B, 5, 4, 2, 12)
        assert torch.allclose(imagined, imagined[:, :1].expand_as(imagined), atol=1e-5), "alike plans, alike futures"
        assert (imagined[:, 0] - imagined[:, 0, :1]).abs().amax() > 1e-3, "which differ from one another"
        mean = problem.energy(imagined, macros)
        single = problem_of(hierarchy, number, state, goal)
        each = [single.energy(imagined[:, :, s], macros) for s in range(4)]
        assert torch.allclose(mean, torch.stack(each).mean(0), atol=1e-3)
        averse = problem_of(begun(uncertain.with_cvar(0.75)), number, state, goal, scenarios=replace(futures, risk="worst"))
        assert torch.allclose(averse.energy(imagined, macros), torch.stack(each).amax(0), atol=1e-3)


@torch.no_grad()
def test_what_is_expected_of_a_plan_in_many_futures_is_the_likeliest(uncertain: Agent) -> None:
    hierarchy = begun(uncertain)
    guidance = hierarchy.command(states(uncertain, 2))
    for number, (plan, state) in enumerate(
        zip(guidance.plans, encode_levels(hierarchy.stages, states(uncertain, 2))[1:], strict=True)
    ):
        assert plan.states.shape == (B, 2, 12)
        likeliest = problem_of(hierarchy, number, state, hierarchy.goals[number]).rollout(plan.actions[:, None])[:, 0]
        assert torch.allclose(plan.states[:, 1:], likeliest[:, 1:], atol=1e-4)
        step = hierarchy.nearest_reachable(number, state, likeliest[:, :1])[:, 0]
        assert torch.equal(plan.states[:, 0], hierarchy.stages[number].bank_later[step])
        assert (guidance.calls[:, number] % 4 == 0).all(), "each future counts"


@torch.no_grad()
def test_careful_levels_plan_otherwise(uncertain: Agent) -> None:
    # At its word: the same odds for both.
    careful = changed(uncertain, planner={"risk": {"measure": "cvar", "cvar_level": 1.0, "prior_exponent": 1.0}})
    plans = [begun(agent).command(states(uncertain, 2)).plans for agent in (uncertain, careful)]
    assert all((bold.energy < averse.energy + 1e-4).all() for bold, averse in zip(*plans, strict=True))
    assert any((bold.actions - averse.actions).abs().amax() > 1e-3 for bold, averse in zip(*plans, strict=True))


@torch.no_grad()
def test_plans_in_many_futures_do_not_depend_on_their_neighbours(uncertain: Agent) -> None:
    assert_alone_as_together(uncertain)


def test_an_agent_with_a_latent_at_every_level_acts_as_it_did_when_it_was_saved(uncertain: Agent) -> None:
    goal, seen = Task.reach({"pixels": rows(B, 1)}), {"pixels": rows(B, 2)}
    taken = []
    for agent in (uncertain, far_apart(tiny.uncertain_agent())):
        agent.reset(goal, seeds=range(B))
        taken.append(agent.act(seen, "plan"))
        assert [tuple(way.shape) for way in agent.subgoals.waypoints()] == [(B, 2, 16)] * 2
    assert np.array_equal(*taken)
    single = changed(uncertain, planner={"risk": {"num_scenarios": 1}})
    single.reset(goal, seeds=range(B))
    above = single.decide(seen, "plan").above
    assert above is not None
    assert (above.plans[0].states[:, 1:].ndim, above.plans[0].active.any()) == (3, True)
