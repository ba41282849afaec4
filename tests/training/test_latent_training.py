"""From the crossing's pixels to an agent with a latent variable: the whole way, and that the codes part ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import forethought as ft
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.config import CodesConfig, NoLatentConfig
from forethought.data.collection import collect
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.latent_training import kl_warmup, latent_rollout_loss
from forethought.training.predictor_phase import PredictorPhase
from forethought.training.train import train
from forethought.types import WorldTask
from forethought.worlds.crossing import NAME, CrossingWorld
from tiny import learn, rooms_agent

TINY = {
    "model.latent.num_codes": 3, "model.predictor.hidden": 32, "training.world_model_steps": 3, "training.predictor_steps": 6,
    "training.rollout_steps": 2, "training.critic_steps": 3, "training.policy_steps": 2, "training.distillation_plans": 4,
    "planner.search.num_samples": 8, "planner.search.num_iterations": 2, "planner.search.num_elites": 4,
    "model.retrieval_size": 32, "planner.retrieved_candidates": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    folder: Path = tmp_path_factory.mktemp("crossing")
    store = collect(NAME, out=folder / "store", episodes=12, options={"max_steps": 40}, workers=0)
    return train(store, out=folder / "run", config=TINY)


def test_a_goal_may_show_the_place_alone(agent: Agent) -> None:
    world = CrossingWorld(2)
    tasks = [WorldTask(seed, (10.0, 40.0, 5.0), (50.0, 20.0), None, 50) for seed in (0, 1)]
    frame = world.begin(tasks)
    agent.reset(ft.Task.reach(world.goal_observation()), seeds=[0, 1])
    actions = agent.act(frame.observation, "plan", frame.drives)
    assert actions.shape == (2, 2)
    decision = agent.plan_of_record
    assert decision is not None
    assert decision.plan.states.shape[:2] == (2, agent.configuration.planner.horizon)
    with pytest.raises(ft.ForethoughtError, match="proprioception"):
        agent.reset(ft.Task.reach({"pixels": frame.observation["pixels"]}))


def test_it_imagines_as_many_futures_as_asked_for_and_the_same_for_the_same_seed(agent: Agent) -> None:
    frame = CrossingWorld(1).reset([0])
    observation = {name: values[0] for name, values in frame.observation.items()}
    plan = np.zeros((4, agent.configuration.data.block, 2), np.float32)
    found = agent.imagine(observation, plan, samples=8, seed=3)
    assert found.states.shape == (8, 4, agent.configuration.model.encoder.state_dim)
    assert found.odds.sum().item() == pytest.approx(1)
    assert (found.odds.diff() <= 0).all()
    assert len(found.states.flatten(1).unique(dim=0)) == 8
    assert torch.equal(found.states, agent.imagine(observation, plan, samples=8, seed=3).states)
    two = agent.imagine(observation, np.stack([plan, plan]), samples=8, seed=3)
    assert torch.allclose(two.odds[:, 0], two.odds[:, 1])
    assert torch.allclose(two.states[:, 0], found.states, atol=1e-5)
    assert agent.imagine(observation, plan).states.shape == found.states[:1].shape


def test_each_step_goes_on_from_the_way_that_things_went(agent: Agent) -> None:
    level = agent.modules.world_model
    states, actions = torch.randn(8, 4, level.state_dim), torch.rand(8, 3, agent.configuration.data.block_size)
    errors, latent = latent_rollout_loss(level, states[:, 0], states[:, 1:], actions, 0.5, torch.Generator())
    now, learned = states[:, 0], []
    for step in range(3):
        found = level.explain(now, actions[:, step], states[:, step + 1], 0.5)
        now = found.following
        learned.append(found.loss)
        assert torch.allclose(errors[step], (now - states[:, step + 1]).square().mean())
    assert torch.allclose(latent, torch.stack(learned).mean())


def test_the_price_comes_when_codes_have_learned_to_say_something() -> None:
    shares = [kl_warmup(step, 100) for step in (0, 10, 45, 80, 99)]
    assert shares == pytest.approx([0, 0, 0.5, 1, 1])


def test_codes_learn_the_two_ways_that_a_coin_decides() -> None:
    """States that go left or right by the toss of a coin: the mean of the two is wrong by all of it, two codes by nothing."""
    configuration = rooms_agent().configuration
    dim, size, episodes = configuration.model.encoder.state_dim, configuration.data.block_size, 32768
    generator = torch.Generator().manual_seed(0)
    start = 0.1 * torch.randn(episodes, dim, generator=generator)
    coin = torch.randint(2, (episodes, 1), generator=generator).float() * 2 - 1
    after = start + coin * torch.linspace(0.5, 1.0, dim)
    states = torch.stack([start, after], 1).flatten(0, 1)
    starts, lengths = 2 * torch.arange(episodes), torch.ones(episodes, dtype=torch.int64)
    data = EncodedDataset(states, states, torch.zeros(len(states), size), torch.zeros(len(states), 0), starts, lengths)
    found = {}
    for codes in (1, 2):
        latent = CodesConfig(num_codes=codes) if codes > 1 else NoLatentConfig()
        predictor = configuration.model.predictor.model_copy(update={"context": 1, "kind": "mlp"})
        model = configuration.model.model_copy(update={"latent": latent, "predictor": predictor})
        steps = {"predictor_steps": 250, "rollout_steps": 0}
        training = configuration.training.model_copy(update={"seed": 0, **steps, "predictor_batch": 256})
        chosen = configuration.model_copy(update={"model": model, "training": training})
        phase = PredictorPhase(AgentNetworks(chosen), chosen, lambda: data)
        phase.start()
        terms = learn(phase, 250)
        found[codes] = terms[-1]["ahead_1"]
        level = phase.level
    assert found[1] > 0.3
    assert found[2] < 0.05 * found[1]
    assert level.latent is not None
    odds = level.latent.log_prior(start, torch.zeros(episodes, size)).exp().mean(0)
    assert torch.allclose(odds, torch.full((2,), 0.5), atol=0.1)
