"""Phase 2 of the paper's critic: goals from the same episode, futures summed as a loop would, targets that follow."""

from __future__ import annotations

import math

import pytest
import torch

import tiny
from forethought.agent_networks import AgentNetworks
from forethought.cost.goal import GoalEnergy
from forethought.training.critic_phase import ELSEWHERE, LATER, MEAN_GAP, CriticPhase, discounted_futures, sample_goals
from forethought.training.encoded_dataset import EncodedDataset, encode_store
from forethought.training.phases import step_generator

LENGTHS = torch.tensor([3, 1, 7, 40])


def made_up(drives: int = 2) -> EncodedDataset:
    rows = int((LENGTHS + 1).sum())
    generator = torch.Generator().manual_seed(0)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), (LENGTHS + 1).cumsum(0)[:-1]])
    states = torch.randn(rows, 5, generator=generator)
    return EncodedDataset(
        states, states, torch.zeros(rows, 2), torch.rand(rows, drives, generator=generator),
        starts, LENGTHS,
    )  # fmt: skip


@pytest.mark.parametrize("discount", [1.0, 0.9, 0.5])
def test_futures_against_a_loop(discount: float) -> None:
    data = made_up()
    found = discounted_futures(data, data.drives, discount)
    for start, length in zip(data.starts.tolist(), data.lengths.tolist(), strict=True):
        for t in range(length + 1):
            later = [discount ** (k - t - 1) * data.drives[start + k] for k in range(t + 1, length + 1)]
            expected = torch.stack(later).sum(0) if later else torch.zeros(2)
            assert torch.allclose(found[start + t], expected, atol=1e-5)


def test_goals_stay_within_their_episode_and_come_in_three_kinds() -> None:
    data, generator = made_up(), torch.Generator().manual_seed(0)
    episode, offset = data.sample_rows(20_000, generator)
    goal = sample_goals(data, episode, offset, generator)
    assert (goal >= 0).all()
    assert (goal <= data.lengths[episode]).all()
    long = (episode == 3) & (offset < 5)
    gap = (goal - offset)[long]
    itself, later, before = ((gap == 0).float().mean(), (gap > 0).float().mean(), (gap < 0).float().mean())
    assert itself.item() == pytest.approx(1 - LATER - ELSEWHERE + ELSEWHERE / 41, abs=0.03)
    assert later > LATER
    assert 0 < before < ELSEWHERE
    assert goal[long].max() == 40, "anywhere reaches the end"
    near = gap[(gap > 0) & (gap < 20)].float()
    share = [(near == k).float().mean().item() for k in (1, 9)]
    assert share[1] / share[0] == pytest.approx(math.exp(-8 / MEAN_GAP), abs=0.2), "near goals come more often"


def phase_of(drives: bool) -> tuple[CriticPhase, AgentNetworks, EncodedDataset]:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    configuration = agent.configuration
    if not drives:
        configuration = configuration.model_copy(update={"data": configuration.data.model_copy(update={"drives": ()})})
    modules = AgentNetworks(configuration)
    data = encode_store(agent.modules.world_model, store, store.train, agent.body)
    return CriticPhase(modules, configuration, lambda: data), modules, data


@pytest.mark.parametrize("drives", [True, False])
def test_the_terms_are_those_of_the_body_and_train_the_critic_alone(drives: bool) -> None:
    phase, modules, data = phase_of(drives)
    phase.start()
    assert torch.allclose(modules.critic.scale(data.states).mean(0), torch.zeros(16), atol=1e-3)
    assert torch.equal(phase.target.scale.matrix, modules.critic.scale.matrix)
    assert not torch.equal(phase.target.scale.matrix, torch.eye(16))
    loss, terms = phase.step(0, step_generator(0, "critic", 0))
    assert ("future_costs" in terms) is ("drives" in terms) is drives
    assert "temporal_distance" in terms
    assert loss.item() == pytest.approx(sum(term.item() for term in terms.values()), rel=1e-5)
    loss.backward()
    moved = {name.split(".")[0] for name, parameter in modules.named_parameters() if parameter.grad is not None}
    assert moved == {"energy"}
    assert all(parameter.grad is None for parameter in phase.target.parameters())


def test_the_near_blend_has_its_scale_before_anything_learns_from_it() -> None:
    phase, modules, data = phase_of(False)
    assert modules.blend.scale == 1
    phase.start()
    gap = round(float(modules.blend.radius))
    pairs = [
        (data.states[start + k] - data.states[start + k + gap]).square().mean()
        for start, length in zip(data.starts.tolist(), data.lengths.tolist(), strict=True)
        for k in range(length - gap + 1)
    ]
    assert modules.blend.scale.item() == pytest.approx(torch.stack(pairs).median().item(), rel=0.15)


def test_an_energy_of_the_goal_is_in_units_of_the_predictions_errors() -> None:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    planner = agent.configuration.planner
    weighted = planner.model_copy(update={"cost": planner.cost.model_copy(update={"extra": {"goal_energy": 1.0}})})
    configuration = agent.configuration.model_copy(update={"planner": weighted})
    modules, data = AgentNetworks(configuration), encode_store(agent.modules.world_model, store, store.train, agent.body)
    [cost] = [term for term in modules.energy.task if isinstance(term, GoalEnergy)]
    CriticPhase(modules, configuration, lambda: data).start()
    states, actions = data.windows(3000, 1, torch.Generator().manual_seed(1))
    errors = modules.world_model.predict(states[:, :-1], actions)[:, 0] - states[:, 1]
    one_ahead = cost.scale(errors.detach()).square().mean()
    assert 0.2 < one_ahead < 1.0, "errors of one block are smaller than the unit, which holds those of two"
    assert "energy.task.3.scale.matrix" in modules.state_dict(), "and it is saved with the weights"


def test_learning_makes_the_loss_fall_and_the_target_follow() -> None:
    phase, modules, data = phase_of(True)
    phase.start()
    before = phase.target.head[0].weight.clone()
    losses = [each["loss"] for each in tiny.learn(phase, 150)]
    assert sum(losses[-20:]) < 0.6 * sum(losses[:20])
    assert not torch.equal(phase.target.head[0].weight, before)
    assert not torch.equal(phase.target.head[0].weight, modules.critic.head[0].weight)
    start = data.starts
    with torch.no_grad():
        here = modules.critic.distance(data.states[start], data.states[start])
        there = modules.critic.distance(data.states[start], data.states[start + 4])
    assert here.mean() < 0.5 * there.mean(), "an episode's start is nearer to itself than to what comes four blocks later"
