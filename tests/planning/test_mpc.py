"""Mode-2, and `auto`: what a search begins with, what a reflex is judged by, and which of the two acts."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from agent_fixtures import B, changed, decisions, see
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent import Agent
from forethought.perception import to_tensors
from forethought.planning.scenarios import sample_scenarios
from forethought.types import Task
from forethought.world_model.level import Context


def test_planning_costs_no_more_than_mode_1_would() -> None:
    """Mode-1's own path is among the candidates, so a plan is never worse in imagination."""
    agent = tiny.point_agent(False)
    planned = decisions(agent, list(range(B)), "plan", 1)[0].plan.energy
    habit = decisions(changed(agent, planner={"mode1_accept_gain": 0.0}), list(range(B)), "auto", 1)[0]
    kept = ~habit.planned
    assert kept.any()
    assert (planned[kept] <= habit.plan.energy[kept] + 1e-5).all()


def test_auto_mixes_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = tiny.point_agent(False)
    wanted = torch.tensor([True, False, True, False, False])
    plain = agent.executive.direct

    def direct(*given: Any) -> Any:
        found = plain(*given)
        return dataclasses.replace(found, plan=wanted)

    monkeypatch.setattr(agent.executive, "direct", direct)
    mixed = decisions(agent, list(range(B)), "auto", 1)[0]
    monkeypatch.undo()
    searched = decisions(agent, list(range(B)), "plan", 1)[0]
    reacted = decisions(agent, list(range(B)), "react", 1)[0]
    assert torch.equal(mixed.planned, wanted)
    np.testing.assert_allclose(mixed.actions[wanted.numpy()], searched.actions[wanted.numpy()], atol=1e-5)
    np.testing.assert_allclose(mixed.actions[~wanted.numpy()], reacted.actions[~wanted.numpy()], atol=1e-5)
    assert (mixed.calls[wanted] > mixed.calls[~wanted].max()).all()


def test_the_margin_turns_auto_from_reacting_to_planning() -> None:
    agent = tiny.point_agent(False)
    shares = [
        float(
            decisions(changed(agent, planner={"mode1_accept_gain": margin}), list(range(B)), "auto", 1)[0]
            .planned.float()
            .mean()
        )
        for margin in (0.0, 1e9)
    ]
    assert shares[0] <= shares[1] == 1.0


def test_where_plans_do_not_count_the_critic_it_does_not_choose_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = changed(tiny.point_agent(False), planner={"mode1_accept_gain": -1e9, "cost": {"critic": 0.0, "goal_distance": 1.0}})
    here, goal, plain, told = see(agent, B, 2), see(agent, B, 1), agent.executive.direct, []
    monkeypatch.setattr(agent.executive, "direct", lambda *given: told.append(given) or plain(*given))
    agent.reset(Task.reach(goal), seeds=range(B))
    decision = agent.decide(here, "auto")
    _, distance, promised, _, _ = told[0]
    encode = agent.modules.world_model.encode
    states, target = (encode(to_tensors(seen, agent.configuration.data.streams)) for seen in (here, goal))
    np.testing.assert_allclose(distance, (states - target).square().mean(-1), rtol=1e-4)
    assert not decision.planned.any(), "no gain is too small"
    path = decision.plan.states
    np.testing.assert_allclose(promised, (path - target[:, None]).square().mean(-1).min(1).values, rtol=1e-4, atol=1e-6)


def test_a_careful_agent_judges_its_reflexes_by_bad_luck_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the executive is told of Mode-1's path, and what the path costs: in the futures that plans are weighed in."""
    flat = changed(tiny.uncertain_agent(), planner={"upper": {"max_levels": 1}})
    here, goal, horizon, energies = see(flat, B, 2), see(flat, B, 1), flat.configuration.planner.horizon, []
    for cvar_level in (0.0, 1.0):
        agent = changed(flat.with_cvar(cvar_level), planner={"mode1_accept_gain": -1e9})
        plain, told = agent.executive.direct, []
        monkeypatch.setattr(
            agent.executive, "direct", lambda *given, told=told, plain=plain: told.append(given) or plain(*given)
        )
        agent.reset(Task.reach(goal), seeds=range(B))
        decision = agent.decide(here, "auto")
        assert not decision.planned.any(), "no gain is too small"
        assert (decision.calls == horizon * (1 + 4) + 4).all(), "the path, in four futures too, and four to know surprise by"
        level = agent.modules.world_model
        futures = sample_scenarios(agent.configuration.planner.risk, EpisodeGenerators(range(B), agent.device), horizon, 1)
        assert futures is not None
        state, wanted = (level.encode({"pixels": torch.from_numpy(each["pixels"])}) for each in (here, goal))
        habit = decision.plan.actions
        context, blocks = Context(state[:, None], habit[:, :0]), agent.modules.critic.distance
        ends = [
            level.rollout(context, habit[:, None], one[:, None], futures.prior_exponent)[:, 0, -1]
            for one in futures.chance.unbind(1)
        ]
        away = torch.stack([blocks(end, wanted, bool(cvar_level)) for end in ends], 1)
        assert torch.allclose(told[0][2], away.amax(1) if cvar_level else away.mean(1), atol=1e-4)
        assert torch.allclose(told[0][1], blocks(state, wanted, bool(cvar_level)), atol=1e-4)
        energies.append(decision.plan.energy)
    assert not torch.allclose(*energies, atol=1e-3)


def test_a_bank_that_was_never_filled_seeds_nothing() -> None:
    """Where no training episode was as long as a plan, all-zero candidates would only take the place of better ones."""
    agent = tiny.point_agent(False)
    agent.modules.bank_states.zero_()
    agent.modules.bank_actions.zero_()
    empty = Agent(agent.configuration, agent.modules)
    assert empty.mpc.retrieval is None
    empty.reset(Task.reach(see(empty, 1, 1)), seed=0)
    assert np.isfinite(empty.decide(see(empty, 1), "plan").actions).all()
