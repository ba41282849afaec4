"""Mode-1: answers within bounds, one-hot where actions are choices, and learns what it is shown."""

from __future__ import annotations

import pytest
import torch

from forethought.actor.policy import Policy, distillation_loss
from forethought.config import DataSpec, StreamSettings

D = 5


def make(kind: str, size: int = 3, block: int = 2) -> Policy:
    continuous = kind == "continuous"
    body = DataSpec.model_validate(
        {
            "world": "toy",
            "streams": (StreamSettings(name="proprioception", shape=(2,), mean=(0.0, 0.0), std=(1.0, 1.0)),),
            "action_kind": kind,
            "action_size": size,
            "low": (-1.0,) * size if continuous else (),
            "high": (1.0,) * size if continuous else (),
            "block": block,
        }
    )
    torch.manual_seed(0)
    return Policy(D, body, 32)


def pairs(*lead: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*lead, D, generator=generator), torch.randn(*lead, D, generator=generator)


def test_continuous_answers_are_within_bounds_even_for_wild_states() -> None:
    policy, (states, goals) = make("continuous"), pairs(200)
    with torch.no_grad():
        policy.head[-1].weight.mul_(100)
    answer = policy(1e3 * states, goals)
    assert answer.shape == (200, 6)
    assert answer.abs().max() <= 1
    assert answer.std() > 0.5
    assert torch.equal(answer, policy.relaxed(1e3 * states, goals))


def test_discrete_answers_are_one_hot_in_each_step() -> None:
    policy, (states, goals) = make("discrete", size=3, block=4), pairs(50)
    answer = policy(states, goals).unflatten(-1, (4, 3))
    assert torch.equal(answer.sum(-1), torch.ones(50, 4))
    assert set(answer.unique().tolist()) == {0.0, 1.0}
    relaxed = policy.relaxed(states, goals).unflatten(-1, (4, 3))
    assert torch.allclose(relaxed.sum(-1), torch.ones(50, 4), atol=1e-6)
    assert torch.equal(relaxed.argmax(-1), answer.argmax(-1))


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_any_leading_axes_state_and_goal_both_count(kind: str) -> None:
    policy, (states, goals) = make(kind), pairs(2, 3)
    answer = policy.relaxed(states, goals)
    assert answer.shape == (2, 3, 6)
    assert torch.allclose(policy.relaxed(states[1, 2], goals[1, 2]), answer[1, 2], atol=1e-6)
    assert not torch.allclose(policy.relaxed(states.roll(1, 0), goals), answer, atol=1e-3)
    assert not torch.allclose(policy.relaxed(states, goals.roll(1, 0)), answer, atol=1e-3)


def test_inputs_are_whitened_by_training_states() -> None:
    policy, (states, goals) = make("continuous"), pairs(100)
    policy.scale.fit(states)
    answer = policy(states, goals)
    policy.scale.fit(10 * states + 3)
    assert torch.allclose(policy(10 * states + 3, 10 * goals + 3), answer, atol=1e-3), "units of the state don't matter"
    assert {"scale.mean", "scale.matrix"} <= set(policy.state_dict())


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_distillation_teaches_the_planned_actions(kind: str) -> None:
    policy, (states, goals) = make(kind), pairs(128)
    planned = torch.tanh(states[:, :1] - goals[:, :1]).expand(-1, 6)
    if kind == "discrete":
        choice = (states[:, 0] > goals[:, 0]).long()
        planned = torch.nn.functional.one_hot(choice, 3).float().repeat(1, 2)
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    first = distillation_loss(policy, states, goals, planned).item()
    for _ in range(80):
        loss = distillation_loss(policy, states, goals, planned)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * first
    assert (policy(states, goals) - planned).abs().mean() < 0.15


def test_distillation_losses_by_hand() -> None:
    states, goals = pairs(4)
    policy = make("continuous")
    planned = torch.zeros(4, 6)
    assert distillation_loss(policy, states, goals, planned).item() == pytest.approx(
        policy(states, goals).square().mean().item()
    )
    policy = make("discrete", size=3, block=2)
    with torch.no_grad():
        policy.head[-1].weight.zero_()
        policy.head[-1].bias.zero_()
    one_hot = torch.eye(3)[[0, 1]].flatten().expand(4, 6)
    uniform = distillation_loss(policy, states, goals, one_hot).item()
    assert uniform == pytest.approx(2 * torch.log(torch.tensor(3.0)).item(), rel=1e-5), "two steps of three choices"
