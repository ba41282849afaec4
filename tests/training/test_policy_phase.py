"""Phase 3: Mode-1 learns from Mode-2's plans; only Mode-1 moves."""

from __future__ import annotations

import pytest
import torch

import tiny
from forethought.config import ICEMConfig, PlannerConfig
from forethought.training.encoded_dataset import encode_store
from forethought.training.policy_phase import (
    TEACHER_CANDIDATES,
    TEACHER_HORIZON,
    PolicyPhase,
    plan_pairs,
    sample_pairs,
    teacher_settings,
)


def make(discrete: bool) -> PolicyPhase:
    agent, store = tiny.point_agent(discrete), tiny.point_store(discrete)
    agent.modules.requires_grad_(True)
    data = encode_store(agent.modules.world_model, store, store.train, agent.body)
    return PolicyPhase(agent.modules, agent.configuration, agent.body, lambda: data)


@pytest.mark.parametrize("discrete", [False, True])
def test_preparing_plans_once_for_every_pair(discrete: bool) -> None:
    phase = make(discrete)
    phase.start()
    wanted = phase.configuration.training.distillation_plans
    assert phase.begin.shape == phase.goal.shape == (wanted, 16)
    assert phase.planned.shape == (wanted, phase.configuration.data.block_size)
    if discrete:
        assert torch.equal(phase.planned.unflatten(-1, (-1, 4)).sum(-1), torch.ones(wanted, 2))
    else:
        assert phase.planned.abs().max() <= 1
    first = phase.planned.clone()
    phase.start()
    assert torch.equal(phase.planned, first), "a resumed run has the same teacher"
    assert torch.allclose(phase.modules.policy.scale(phase.data.states).mean(0), torch.zeros(16), atol=1e-2)


def test_a_plan_does_not_depend_on_the_other_pairs() -> None:
    phase = make(False)
    phase.start()
    first = plan_pairs(phase.modules, phase.configuration, phase.body, phase.begin[:3], phase.goal[:3])
    assert torch.allclose(first, phase.planned[:3], atol=1e-4)


def test_the_teacher_minimises_what_mode_2_does() -> None:
    phase = make(False)
    phase.start()
    configuration = phase.configuration.changed({"planner.cost.drive_weights": {"effort": 1000.0}}, "to see")
    at_rest = plan_pairs(phase.modules, configuration, phase.body, phase.begin, phase.goal)
    assert at_rest.square().mean() < 0.5 * phase.planned.square().mean()


@pytest.mark.parametrize("discrete", [False, True])
def test_only_the_policy_learns_and_it_does(discrete: bool) -> None:
    phase = make(discrete)
    phase.start()
    others = {name: tensor.clone() for name, tensor in phase.modules.state_dict().items() if not name.startswith("policy")}
    distilled = [each["distilled"] for each in tiny.learn(phase, 60)]
    assert sum(distilled[-10:]) < 0.8 * sum(distilled[:10])
    assert all(torch.equal(phase.modules.state_dict()[name], tensor) for name, tensor in others.items())
    moved = {name.split(".")[0] for name, parameter in phase.modules.named_parameters() if parameter.grad is not None}
    assert moved == {"policy"}


def test_pairs_are_of_one_episode() -> None:
    phase = make(False)
    phase.start()
    data = phase.data
    episode = torch.repeat_interleave(torch.arange(len(data.lengths)), data.lengths + 1)
    now, goal = sample_pairs(data, 200, torch.Generator().manual_seed(0))
    places = [torch.cdist(side, data.states).argmin(1) for side in (now, goal)]
    assert torch.equal(episode[places[0]], episode[places[1]])


def test_the_teacher_never_plans_further_than_the_agent() -> None:
    for horizon in (1, TEACHER_HORIZON, 9):
        teacher = teacher_settings(PlannerConfig(horizon=horizon, search=ICEMConfig(num_samples=999)))
        assert teacher.horizon == min(horizon, TEACHER_HORIZON)
        assert isinstance(teacher.search, ICEMConfig)
        assert teacher.search.num_elites < teacher.search.num_samples == TEACHER_CANDIDATES


def test_mode_1_fears_what_mode_2_fears() -> None:
    """In imagination it is judged by the critic, and in the odds, that plans are judged by."""
    agent, store = tiny.uncertain_agent(), tiny.long_store()
    data = encode_store(agent.modules.world_model, store, store.train, agent.body)
    losses = []
    for risk, other in (("mean", "worst_case_head"), ("mean", "head"), ("cvar", "worst_case_head"), ("cvar", "head")):
        configuration = agent.configuration.changed({"planner.risk.measure": risk}, "to see")
        told = []
        for by in (0.0, 5.0):
            modules = tiny.uncertain_agent().modules.requires_grad_(True)
            phase = PolicyPhase(modules, configuration, agent.body, lambda: data)
            phase.start()
            with torch.no_grad():
                getattr(modules.critic, other)[-1].bias += by
            told.append(phase.step(1, torch.Generator().manual_seed(0))[1]["imagined"].item())
        losses.append(abs(told[1] - told[0]) > 1)
    assert losses == [False, True, True, False]


def test_mode_1_takes_the_odds_at_mode_2s_word(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, store = tiny.uncertain_agent(), tiny.long_store()
    data, latent = encode_store(agent.modules.world_model, store, store.train, agent.body), agent.modules.world_model.latent
    assert latent is not None
    draw, told = latent.draw, []
    monkeypatch.setattr(latent, "draw", lambda *given: told.append(given[3]) or draw(*given))
    for risk, samples in (("mean", 4), ("cvar", 4), ("cvar", 1)):
        changes = {"planner.risk.measure": risk, "planner.risk.num_scenarios": samples}
        configuration = agent.configuration.changed(changes, "to see")
        phase = PolicyPhase(agent.modules, configuration, agent.body, lambda: data)
        phase.start()
        told.clear()
        phase.step(1, torch.Generator().manual_seed(0))
        assert told == [configuration.planner.risk.prior_exponent if (risk, samples) == ("cvar", 4) else 1.0]
