"""Whitening: identity until fitted, then zero mean, unit variance, no correlation; dead directions stay dead."""

from __future__ import annotations

import pytest
import torch

from forethought.whitening import Whitening, robust_median


def correlated(count: int = 4000) -> torch.Tensor:
    draws = torch.randn(count, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.2, 5.0, 1.0])
    return draws @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.2, 0.0, 1.0]]) + 7


def test_it_is_the_identity_until_it_is_fitted() -> None:
    states = correlated(10)
    assert torch.equal(Whitening(3)(states), states)


def test_training_states_come_out_white() -> None:
    scale, states = Whitening(3), correlated()
    scale.fit(states)
    assert torch.allclose(scale(states).mean(0), torch.zeros(3), atol=1e-3)
    assert torch.allclose(torch.cov(scale(states).T), torch.eye(3), atol=0.1)


def test_a_dead_direction_is_not_blown_up() -> None:
    states = correlated()
    states = torch.cat([states, states[:, :1]], 1)
    scale = Whitening(4)
    scale.fit(states)
    assert scale(states).std(0).max() < 1.1
    noisy = scale(states + 1e-3 * torch.randn(states.shape, generator=torch.Generator().manual_seed(1)))
    assert (noisy - scale(states)).abs().max() < 0.5


def test_it_travels_with_the_weights_and_is_not_trained() -> None:
    scale, other = Whitening(3), Whitening(3)
    scale.fit(correlated())
    other.load_state_dict(scale.state_dict())
    assert torch.equal(other(correlated()), scale(correlated()))
    assert not list(scale.parameters())


def test_constant_states_stay_finite() -> None:
    scale = Whitening(2)
    scale.fit(torch.ones(50, 2))
    assert torch.isfinite(scale(torch.ones(5, 2))).all()


def test_what_stands_still_does_not_count_as_usual() -> None:
    assert robust_median(torch.tensor([1.0, 2.0, 3.0])) == 2.0
    assert robust_median(torch.tensor([0.0, 0.0, 0.0, 2.0, 3.0, 3.0])) == 3.0
    noise = 1e-6 * torch.rand(60, generator=torch.Generator().manual_seed(0))
    assert robust_median(torch.cat([noise, torch.full((40,), 1.5)])) == pytest.approx(1.5)
    assert robust_median(torch.zeros(5)) == 0.0
