"""An agent whose plans wait and see: what is kept on record, and that episodes stay strangers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from forethought.agent import Agent, Decision
from forethought.agent_networks import AgentNetworks
from forethought.settings import Configuration
from forethought.types import Task

B, BRANCHES, SEEDS = 4, 2, (11, 12, 13, 14)


def agent_with(branches: int, **actor: Any) -> Agent:
    """Untrained, with four codes that make futures differ from the first block on, and eyes that see the least difference."""
    configuration = tiny.point_agent(False).configuration.model_dump()
    configuration["world_model"] |= {"num_codes": 4, "context": 1, "predictor": "mlp"}
    configuration["actor"] |= {"num_scenarios": 8, "branches": branches, **actor}
    made = Configuration.model_validate(configuration)
    modules = AgentNetworks(made)
    modules.blend.typical.fill_(1e-3)
    return Agent(made, modules, torch.device("cpu"))


def see(rows: list[int], seed: int) -> dict[str, np.ndarray]:
    store = tiny.point_store(False)
    places = np.random.default_rng(seed).integers(0, store.num_rows, B)
    return {stream.name: store.rows(stream.name, places)[rows] for stream in store.spec.streams}


def decisions(agent: Agent, rows: list[int], count: int = 3, mode: Any = "plan") -> list[Decision]:
    agent.reset(Task.reach(see(rows, 1)), seeds=[SEEDS[row] for row in rows])
    return [agent.decide(see(rows, 10 + step), mode) for step in range(count)]


def test_the_plan_of_record_tells_its_branches() -> None:
    agent = agent_with(BRANCHES)
    parted = 0
    for decision in decisions(agent, list(range(B))):
        plan, horizon = decision.plan, agent.configuration.actor.horizon
        assert plan.branches is not None
        assert plan.branches.actions.shape == (B, BRANCHES + 1, horizon, agent.configuration.space.block_size)
        assert plan.branches.states.shape == (B, BRANCHES + 1, horizon, agent.configuration.perception.state_dim)
        assert torch.allclose(plan.branches.odds.sum(1), torch.ones(B))
        assert (plan.branches.odds.diff(dim=1) <= 0).all()
        assert torch.equal(plan.actions, plan.branches.actions[:, 0])
        assert torch.equal(plan.states, plan.branches.states[:, 0])
        for row, after in enumerate(plan.branches.after.tolist()):
            ways = plan.branches.actions[row]
            assert (ways[:, :after] == ways[:1, :after]).all(), "until they part nobody can do the one or the other"
            taken = plan.branches.odds[row] > 0
            assert after < horizon or taken.tolist() == [True, False, False]
            parted += after < horizon
        assert (agent.body.low <= plan.ways()).all()
        assert (plan.ways() <= agent.body.high).all()
    assert parted > 0
    assert agent.deliberation.warm is not None
    assert torch.equal(agent.deliberation.warm[:, :, 0], plan.ways()[:, :, 1]), (
        "each branch is tried first when it may have come"
    )


def test_an_episode_does_not_notice_its_neighbours() -> None:
    together = decisions(agent_with(BRANCHES), list(range(B)))
    for rows in ([2], [3, 0]):
        for alone, all_of_them in zip(decisions(agent_with(BRANCHES), rows), together, strict=True):
            np.testing.assert_allclose(alone.actions, all_of_them.actions[rows], atol=1e-4)
            ours, theirs = alone.plan.branches, all_of_them.plan.branches
            assert ours is not None
            assert theirs is not None
            for name in ("after", "odds", "actions"):
                assert torch.allclose(getattr(ours, name).float(), getattr(theirs, name)[rows].float(), atol=1e-4), name


@pytest.mark.parametrize("risk", ["mean", "cvar"])
def test_who_waits_and_sees_expects_no_worse_and_imagines_more(risk: str) -> None:
    without, waits = (
        decisions(agent_with(branches, risk=risk, prior_exponent=1.0), list(range(B)), 1)[0] for branches in (1, BRANCHES)
    )
    assert without.plan.branches is None
    assert (waits.plan.energy <= without.plan.energy + 1e-6).all()
    assert (waits.plan.energy < without.plan.energy - 1e-6).any()
    assert (waits.calls > without.calls).all()


def test_who_reacts_goes_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = agent_with(BRANCHES)
    wanted, plain = torch.tensor([True, False, True, False]), agent.executive.direct
    monkeypatch.setattr(agent.executive, "direct", lambda *given: dataclasses.replace(plain(*given), plan=wanted))
    found = decisions(agent, list(range(B)), 1, "auto")[0].plan
    searched = decisions(agent_with(BRANCHES), list(range(B)), 1)[0].plan
    assert found.branches is not None
    assert searched.branches is not None
    assert found.branches.odds[1].tolist() == found.branches.odds[3].tolist() == [1.0, 0.0, 0.0]
    assert torch.allclose(found.branches.actions[wanted], searched.branches.actions[wanted], atol=1e-5)
    assert torch.equal(found.branches.actions[:, 0], found.actions)


def test_one_future_has_one_way() -> None:
    plan = decisions(agent_with(BRANCHES, num_scenarios=1), list(range(B)), 1)[0].plan
    assert plan.branches is not None
    assert plan.branches.odds.tolist() == [[1.0, 0.0, 0.0]] * B
    assert torch.equal(plan.branches.states[:, 0], plan.states)
