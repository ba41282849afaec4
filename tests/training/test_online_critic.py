"""The critic learns from remembered pairs, and nothing else changes."""

from __future__ import annotations

import pytest
import torch

import tiny
from forethought.agent import Agent
from forethought.config import CodesConfig
from forethought.cost.critic import discounted_count
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.training.online_critic import _loss, train_critic_online
from forethought.types import Task
from forethought.world_model.continuous import make_latent


def lived(blocks: int = 6) -> Agent:
    """An agent that has seen a few held-out episodes go by."""
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    episodes = [store.read(int(number)) for number in store.heldout if store.lengths_with_partial[number] >= blocks]
    rows = [{name: values[block] for name, values in episodes[0].observation.items()} for block in range(blocks)]
    agent.reset(Task.reach(rows[-1]), seed=0)
    for row in rows:
        agent.decide(row, "plan")
    return agent


def too_far(agent: Agent) -> float:
    """How much the critic exceeds what was lived, mean over remembered pairs."""
    pairs = agent.memory.pairs(torch.Generator().manual_seed(9), 500, 1.0)
    lived = discounted_count(pairs.gap.float(), agent.configuration.model.discount)
    return (agent.modules.critic.distance(pairs.now, pairs.later) - lived).relu().mean().item()


def raised(agent: Agent, by: float) -> Agent:
    with torch.no_grad():
        agent.modules.critic.head[-1].bias += by
    return agent


def test_what_was_lived_is_learned_by_the_critic_alone() -> None:
    agent = raised(lived(), 20.0)
    before = {name: tensor.clone() for name, tensor in agent.modules.state_dict().items()}
    worse = too_far(agent)
    train_critic_online(agent, steps=100, learning_rate=1e-2)
    assert too_far(agent) < 0.7 * worse
    moved = {name for name, tensor in agent.modules.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(name.startswith("energy.task.0.far.") for name in moved), "that is where the critic is"
    assert not any(parameter.requires_grad for parameter in agent.modules.parameters())


def test_a_clumsy_episode_does_not_unlearn_a_shorter_way() -> None:
    """A critic that already says less than what was lived, and nothing for standing still, stays as it is."""
    agent = raised(lived(), -50.0)
    before = agent.modules.critic.head[-1].bias.clone()
    train_critic_online(agent, steps=5, learning_rate=1e-2)
    assert torch.allclose(agent.modules.critic.head[-1].bias, before, atol=1e-4)


def test_a_lucky_way_teaches_no_distance() -> None:
    """Where chance has a say, a way that was lived bounds nothing, and standing still is all that there is to learn from."""
    agent = lived()
    agent.modules.world_model.latent = make_latent(16, 4, CodesConfig(num_codes=2), 256)
    agent = raised(agent, 20.0)
    assert too_far(agent) > 10
    assert _loss(agent, torch.Generator().manual_seed(0)).item() == pytest.approx(standing_still(agent), rel=0.2)


def standing_still(agent: Agent) -> float:
    pairs = agent.memory.pairs(torch.Generator().manual_seed(9), 500, 1.0)
    return agent.modules.critic.distance(pairs.later, pairs.later).square().mean().item()


def test_what_the_drives_cost_is_learned_too() -> None:
    agent = lived()
    recent = agent.memory.context(6)
    states, actions = recent.states, recent.actions
    agent.memory.reset(1)
    for row in range(6):
        agent.memory.write(
            states[:, row], actions[:, max(0, row - 1)], torch.full((1, 1 + len(agent.body.settings.drives)), 3.0)
        )
    before = agent.modules.critic.future_costs(states[0, 0]).detach().clone()
    train_critic_online(agent, steps=100, learning_rate=1e-2)
    assert (agent.modules.critic.future_costs(states[0, 0]) > before + 1).all()


def test_the_same_seed_teaches_the_same() -> None:
    losses = [train_critic_online(lived(), steps=5, seed=seed) for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_too_little_to_learn_from_and_nan_are_told() -> None:
    with pytest.raises(ForethoughtError, match="pairs need at least two remembered rows"):
        train_critic_online(lived(blocks=1))
    agent = lived()
    with torch.no_grad():
        agent.modules.critic.head[-1].bias.fill_(torch.nan)
    with pytest.raises(NonFiniteError, match="remembered pairs is not finite at step 0"):
        train_critic_online(agent)


def test_where_goals_show_a_part_only_drives_are_learned() -> None:
    """The critic is asked about goals as they are shown there, and memory holds none of these."""
    agent = raised(lived(), 20.0)
    body = agent.body.settings
    agent.body.settings = body.model_copy(update={"goals": (body.streams[0].name,)})
    train_critic_online(agent, steps=20, learning_rate=1e-2)
    before = tiny.point_agent(False).modules.critic
    assert torch.equal(agent.modules.critic.head[0].weight, before.head[0].weight)
    assert before.drives is not None
    assert agent.modules.critic.drives is not None
    assert not torch.equal(agent.modules.critic.drives[0].weight, before.drives[0].weight)
    agent.body.settings = agent.body.settings.model_copy(update={"drives": ()})
    with pytest.raises(ForethoughtError, match="nothing to learn from memory"):
        train_critic_online(agent)
