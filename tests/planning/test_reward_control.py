"""Control for the world's own reward: Mode-2 finds no worse than its policy, and episodes are planned independently."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "online"))

from online_fixtures import networks_of, settings

from forethought.agent import Agent
from forethought.errors import ForethoughtError
from forethought.types import Task
from forethought.world_model.level import Context

KINDS = [("continuous", 1, 1), ("discrete", 3, 1), ("continuous", 2, 2), ("discrete", 2, 3)]


def agent_of(kind: str, size: int, block: int) -> Agent:
    """With weights that tell actions apart."""
    configuration = settings(kind, size, block)
    networks, _ = networks_of(configuration)
    torch.manual_seed(1)
    assert networks.future_cost is not None
    assert networks.outcomes is not None
    torch.nn.init.normal_(networks.future_cost.last.weight)
    last = networks.outcomes.reward[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.normal_(last.weight, std=0.3)
    return Agent(configuration, networks)


def seen(batch: int) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return {"proprioception": np.random.default_rng(0).normal(size=(batch, 2)).astype(np.float32)}


@pytest.mark.parametrize(("kind", "size", "block"), KINDS)
def test_planning_costs_no_more_than_the_policys_own_plan(kind: str, size: int, block: int) -> None:
    """The policy's likeliest blocks are among the candidates."""
    agent = agent_of(kind, size, block)
    agent.reset(Task.world(3), seed=0)
    decision = agent.decide(seen(3), "plan")
    state = agent.senses.state(seen(3))
    policy, model = agent.modules.cost_policy, agent.modules.world_model
    assert policy is not None
    states, blocks, now = [], [], state
    for _ in range(3):
        blocks.append(policy(now))
        now = model.step(now, blocks[-1], None)
        states.append(now)
    own = agent.mpc.cost(state)(torch.stack(states, 1)[:, None], torch.stack(blocks, 1)[:, None])[:, 0]  # type: ignore[union-attr]
    assert bool(decision.planned.all())
    assert (decision.plan.energy <= own + 1e-4).all()


@pytest.mark.parametrize("mode", ["react", "plan", "auto"])
@pytest.mark.parametrize(("kind", "size", "block"), KINDS)
def test_episodes_are_decided_independently(kind: str, size: int, block: int, mode: str) -> None:
    """One of three has the action that it has alone."""
    agent = agent_of(kind, size, block)
    agent.reset(Task.world(3), seeds=[4, 5, 6])
    together = agent.act(seen(3), mode)  # type: ignore[arg-type]
    agent.reset(Task.world(1), seeds=[5])
    alone = agent.act({name: values[1:2] for name, values in seen(3).items()}, mode)  # type: ignore[arg-type]
    assert np.allclose(together[1], alone[0], atol=1e-4)


@pytest.mark.parametrize("mode", ["react", "plan"])
@pytest.mark.parametrize(("kind", "size", "block"), KINDS)
def test_a_decision_reads_the_belief_that_learning_forms(kind: str, size: int, block: int, mode: str) -> None:
    """The states that an episode in progress remembers are those of the whole sequence, and a new episode forgets them."""
    configuration = settings(kind, size, block, belief=6)
    agent = Agent(configuration, networks_of(configuration)[0])
    belief, rows = agent.modules.belief, [seen(3) | {"proprioception": step + seen(3)["proprioception"]} for step in range(4)]
    assert belief is not None
    for _ in range(2):
        agent.reset(Task.world(3), seed=0)
        blocks = [torch.tensor(agent.decide(row, mode).actions).flatten(1) for row in rows]  # type: ignore[arg-type]
        percepts = torch.stack([agent.senses.state(row) for row in rows], 1)
        states = belief.along(percepts, agent.body.to_model(torch.stack(blocks[:3], 1)))
        torch.testing.assert_close(agent.memory.context(1).states[:, 0], states[:, 3], atol=1e-4, rtol=1e-4)
        assert (states - percepts).abs().max() > 1e-3


def test_what_is_imagined_begins_as_an_episode_does() -> None:
    """From the state that a first decision remembers, not from the encoded observation alone."""
    configuration = settings(belief=6)
    agent = Agent(configuration, networks_of(configuration)[0])
    agent.reset(Task.world(1), seed=0)
    agent.decide(seen(1), "react")
    remembered = agent.memory.context(1)
    blocks = np.zeros((2, 1, 1), np.float32)
    imagined = agent.imagine({name: values[0] for name, values in seen(1).items()}, blocks).states
    context = Context(remembered.states, remembered.actions)
    expected = agent.modules.world_model.rollout(context, agent.body.to_model(torch.zeros(1, 1, 2, 1)))
    torch.testing.assert_close(imagined, expected[0])


def test_a_single_episode_has_no_axis_of_episodes() -> None:
    """As with a goal of one item."""
    agent = agent_of("continuous", 1, 1)
    agent.reset(Task.world(), seed=0)
    assert agent.act({"proprioception": np.zeros(2, np.float32)}).shape == (1,)


def test_auto_does_what_was_measured_to_be_better() -> None:
    """Mode-1 unless the settings say that planning pays."""
    agent = agent_of("continuous", 1, 1)
    agent.reset(Task.world(1), seed=0)
    assert not bool(agent.decide(seen(1), "auto").planned.any())
    changed = Agent(agent.configuration.changed({"planner.reward_mode": "plan"}, "a test"), agent.modules)
    changed.reset(Task.world(1), seed=0)
    assert bool(changed.decide(seen(1), "auto").planned.all())


def test_a_deadline_holds_as_for_goals() -> None:
    """The decision says what became of it."""
    agent = agent_of("continuous", 1, 1)
    agent.reset(Task.world(1), seed=0)
    for _ in range(3):
        agent.act(seen(1), "plan", deadline_ms=200.0)
    assert agent.plan_of_record is not None
    assert agent.plan_of_record.timing is not None


def test_an_agent_that_learned_no_reward_says_how_to_get_one() -> None:
    """And keeps its episodes."""
    configuration = settings().changed({"model.reward.critics": 0}, "a test")
    with pytest.raises(ForethoughtError, match="forethought live"):
        Agent(configuration).reset(Task.world())
