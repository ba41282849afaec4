"""The policy of least future cost: samples follow the distribution whose log-probability it tells."""

from __future__ import annotations

import pytest
import torch

from forethought.actor.cost_policy import CostPolicy, gumbel
from forethought.config import DataSpec

D = 5


def policy_for(kind: str, size: int, block: int = 1) -> CostPolicy:
    torch.manual_seed(0)
    bounds = ((-1.0,) * size, (1.0,) * size) if kind == "continuous" else ((), ())
    data = DataSpec.model_validate(
        {
            "world": "w",
            "streams": (),
            "action_kind": kind,
            "action_size": size,
            "low": bounds[0],
            "high": bounds[1],
            "block": block,
        }
    )  # fmt: skip
    return CostPolicy(D, data, 16)


def test_discrete_samples_have_their_probabilities() -> None:
    """Frequencies equal the softmax; the told log-probability is that of the drawn block."""
    policy, state = policy_for("discrete", 3, block=2), torch.randn(D)
    states = state.expand(20000, D)
    blocks, log_chance = policy.sample(states, policy.draw((20000,), torch.Generator().manual_seed(0)))
    chances = policy.logits(state).exp()
    assert torch.allclose(blocks.view(-1, 2, 3).mean(0), chances, atol=0.02)
    first = blocks[0].view(2, 3)
    expected = float((first * chances.detach()).sum(-1).log().sum())
    assert float(log_chance[0].detach()) == pytest.approx(expected, abs=1e-4)
    assert torch.equal(policy(state).view(2, 3).argmax(-1), chances.argmax(-1))


def test_continuous_samples_stay_in_bounds_and_their_density_sums_to_one() -> None:
    """The mean of 1 / density over samples is the length of the interval that they fill."""
    policy, state = policy_for("continuous", 1), torch.zeros(D)
    states = state.expand(40000, D)
    blocks, log_chance = policy.sample(states, policy.draw((40000,), torch.Generator().manual_seed(0)))
    assert (blocks.abs() <= 1).all()
    inside = (blocks[:, 0].abs() < 0.5).float()
    assert float((inside / log_chance.detach().exp()).mean()) == pytest.approx(1.0, abs=0.05)


def test_gradients_reach_the_policy_through_a_continuous_sample() -> None:
    """Reparametrised: the action's cost moves the mean."""
    policy = policy_for("continuous", 2)
    blocks, _ = policy.sample(torch.randn(4, D), torch.randn(4, 2))
    blocks.sum().backward()
    assert sum(float(p.grad.abs().sum()) for p in policy.parameters() if p.grad is not None) > 0


def test_gumbel_noise_is_finite_at_the_ends() -> None:
    """0 and 1 - eps give numbers."""
    assert torch.isfinite(gumbel(torch.tensor([0.0, 1 - 2**-24, 1.0]))).all()
