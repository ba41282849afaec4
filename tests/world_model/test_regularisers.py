"""Each regulariser against values worked out by hand, its behaviour under scale, and its pull near collapse."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from forethought.world_model.regularisers import (
    VARIANCE_EPS,
    EpisodeContrast,
    Expander,
    InverseDynamics,
    covariance_penalty,
    info_nce,
    prediction_contrast,
    sigreg,
    smoothness,
    variance_hinge,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_variance_by_hand() -> None:
    # Column 0: std 2 (variance 4), no penalty. Column 1: std 0.5. Column 2: constant.
    states = torch.tensor([[-2.0, 0.5, 7.0], [2.0, -0.5, 7.0], [0.0, 0.0, 7.0]])
    expected = (0 + (1 - math.sqrt(0.25 + VARIANCE_EPS)) + (1 - math.sqrt(VARIANCE_EPS))) / 3
    assert variance_hinge(states).item() == pytest.approx(expected, abs=1e-6)
    assert variance_hinge(states, target=3.0).item() == pytest.approx(
        expected + (3 - math.sqrt(4 + VARIANCE_EPS) + 4) / 3, abs=1e-5
    )


def test_variance_falls_with_scale_and_ends_at_the_target() -> None:
    states = normal(200, 8)
    values = [variance_hinge(scale * states).item() for scale in (0.0, 0.1, 0.5, 0.9, 2.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(1 - math.sqrt(VARIANCE_EPS))
    assert values[-1] == 0.0


def test_variance_pulls_apart_what_has_almost_collapsed() -> None:
    states = (5 + 1e-3 * normal(64, 4)).requires_grad_()
    variance_hinge(states).backward()
    assert states.grad is not None
    outwards = -(states.grad * (states - states.mean(0))).sum()
    assert outwards > 0
    assert states.grad.norm() > 1e-3


def test_covariance_by_hand() -> None:
    # Column 1 = 2 * column 0, column 2 is uncorrelated: covariances 2, 0, 0, twice each, over three dimensions.
    states = torch.tensor([[-1.0, -2.0, 1.0], [0.0, 0.0, -2.0], [1.0, 2.0, 1.0]]) + 4.0
    assert covariance_penalty(states).item() == pytest.approx(2 * 2.0**2 / 3, rel=1e-5)


def test_covariance_is_of_fourth_order_in_scale_and_blind_to_place() -> None:
    states = normal(50, 6)
    assert covariance_penalty(3 * states).item() == pytest.approx(81 * covariance_penalty(states).item(), rel=1e-4)
    assert covariance_penalty(states + 10).item() == pytest.approx(covariance_penalty(states).item(), rel=1e-3)
    copies = states[:, :1].expand(-1, 6)
    assert covariance_penalty(copies) > 20 * covariance_penalty(states)


def statistic(states: Tensor, seed: int = 0) -> float:
    return sigreg(states, torch.Generator().manual_seed(seed), slices=64).item()


def test_sigreg_is_small_for_a_gaussian_and_large_for_anything_else() -> None:
    gaussian = normal(1000, 8)
    fine = statistic(gaussian)
    collapsed, doubled = statistic(torch.zeros(1000, 8)), statistic(2 * gaussian)
    shifted, line = statistic(gaussian + 1), statistic(gaussian[:, :1].expand(-1, 8))
    corners = statistic(torch.sign(gaussian[:, :1]) * torch.tensor([[1.0] + 7 * [0.0]]))
    assert fine < 3, "of the order of 1, whatever the sample's size"
    assert min(collapsed, doubled, shifted, line, corners) > 20 * fine


@pytest.mark.parametrize("place", [0.0, 0.7, -2.0])
def test_sigreg_of_collapsed_states_by_quadrature(place: float) -> None:
    """All states at c: B * integral over [-3, 3] of |e^(i c t) - e^(-t^2/2)|^2 e^(-t^2/2); one dimension has one direction."""
    points = torch.linspace(-3, 3, 60001, dtype=torch.float64)
    gaussian = torch.exp(-points.square() / 2)
    distance = (torch.cos(place * points) - gaussian).square() + torch.sin(place * points).square()
    expected = 50 * torch.trapezoid(distance * gaussian, points).item()
    assert statistic(torch.full((50, 1), place)) == pytest.approx(expected, rel=0.02)


def test_sigreg_grows_with_the_sample_when_the_shape_is_wrong() -> None:
    states = 3 * normal(1000, 4)
    assert statistic(states) == pytest.approx(10 * statistic(states[:100]), rel=0.2)


def test_sigreg_is_a_function_of_its_generator_and_has_a_gradient() -> None:
    states = (0.3 * normal(64, 4)).requires_grad_()
    assert statistic(states) == statistic(states) != statistic(states, seed=1)
    sigreg(states, torch.Generator().manual_seed(0)).backward()
    assert states.grad is not None
    assert -(states.grad * states).sum() > 0, "too narrow: the pull is outwards"


def test_smoothness_by_hand() -> None:
    states = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]], [[5.0, 5.0], [5.0, 5.0], [5.0, 5.0]]])
    assert smoothness(states).item() == pytest.approx((1 + 4) / 8)
    assert smoothness(3 * states).item() == pytest.approx(9 * 5 / 8)


def test_info_nce_of_constants_is_log_b_and_of_distinct_pairs_is_zero() -> None:
    constant = torch.ones(16, 4)
    assert info_nce(constant, constant).item() == pytest.approx(math.log(16), rel=1e-5)
    distinct = torch.eye(16)
    assert info_nce(distinct, distinct).item() == pytest.approx(math.log(1 + 15 * math.exp(-10)), abs=1e-5)
    assert info_nce(distinct, distinct.roll(1, 0)).item() == pytest.approx(10, rel=1e-3)
    assert info_nce(7 * distinct, 0.1 * distinct).item() == pytest.approx(info_nce(distinct, distinct).item(), abs=1e-6)


def test_prediction_contrast_by_hand() -> None:
    """One clip of three rows at 0, 1 and 3 on a line, predicted as 1.5 and 3: energies over a temperature of 2."""
    rows, predicted = torch.tensor([[[0.0], [1.0], [3.0]]]), torch.tensor([[[1.5], [3.0]]])
    first = -math.log(math.exp(-0.125) / (math.exp(-1.125) + math.exp(-0.125) + math.exp(-1.125)))
    second = -math.log(1 / (math.exp(-4.5) + math.exp(-2.0) + 1))
    hard = (-math.log(math.exp(-0.125) / (math.exp(-0.125) + math.exp(-1.125))) - math.log(1 / (math.exp(-2.0) + 1))) / 2
    found = prediction_contrast(predicted, rows, temperature=2.0, mined=1).item()
    assert found == pytest.approx(((first + second) / 2 + hard) / 2, rel=1e-5)


def test_prediction_contrast_of_constants_is_the_log_of_how_many_there_are() -> None:
    """Eight clips of four rows: 32 among all, 17 among the nearest and the true one."""
    expected = (math.log(32) + math.log(17)) / 2
    assert prediction_contrast(torch.ones(8, 3, 5), torch.ones(8, 4, 5)).item() == pytest.approx(expected, rel=1e-4)
    few = (math.log(4) + math.log(4)) / 2
    assert prediction_contrast(torch.ones(1, 3, 5), torch.ones(1, 4, 5)).item() == pytest.approx(few, rel=1e-4)


def test_prediction_contrast_is_blind_to_the_clips_order_and_to_place() -> None:
    rows, predicted, order = normal(8, 4, 6), normal(8, 2, 6, seed=1), torch.randperm(8)
    found = prediction_contrast(predicted, rows).item()
    assert prediction_contrast(predicted[order], rows[order]).item() == pytest.approx(found, rel=1e-4)
    assert prediction_contrast(predicted + 3, rows + 3).item() == pytest.approx(found, rel=1e-3)
    assert prediction_contrast(predicted[order.roll(1)], rows[order]).item() != pytest.approx(found, rel=1e-2)
    assert prediction_contrast(rows[:, 1:], rows).item() < prediction_contrast(rows[:, :3], rows).item()


def test_prediction_contrast_pulls_apart_what_has_almost_collapsed() -> None:
    states = (5 + 1e-2 * normal(16, 4, 6)).requires_grad_()
    prediction_contrast(states[:, 1:], states).backward()
    assert states.grad is not None
    assert -(states.grad * (states - states.mean((0, 1)))).sum() > 0
    assert states.grad.norm() > 1e-3


def test_prediction_contrast_alone_undoes_a_collapse() -> None:
    """A point that turns, seen by an encoder that maps everything to nearly the same state."""
    torch.manual_seed(0)
    turn = torch.linalg.qr(normal(6, 6, seed=2)).Q
    seen = torch.stack([normal(32, 6) @ torch.linalg.matrix_power(turn, time) for time in range(4)], 1)
    encoder, predictor = torch.nn.Linear(6, 6), torch.nn.Linear(6, 6)
    with torch.no_grad():
        encoder.weight.mul_(0.01)
    optimizer = torch.optim.Adam([*encoder.parameters(), *predictor.parameters()], lr=1e-2)
    told, spread = [], []
    for _ in range(200):
        states = encoder(seen)
        loss = prediction_contrast(predictor(states[:, :-1]), states)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        told.append(loss.item())
        spread.append(states.std((0, 1)).mean().item())
    assert told[-1] < 0.1 * told[0]
    assert spread[-1] > 50 * spread[0]


def test_inverse_dynamics_learns_the_block_between_two_rows() -> None:
    """Even when the move is a thousandth of the state: the head sees the change at unit variance."""
    torch.manual_seed(0)
    head = InverseDynamics(8, 2, hidden=32)
    actions, layout = normal(256, 2, seed=1), normal(256, 8, seed=2)
    moved = layout + 1e-3 * torch.cat([actions, torch.zeros(256, 6)], 1)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    for _ in range(60):
        loss = torch.nn.functional.mse_loss(head(layout, moved), actions)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2


def test_inverse_dynamics_takes_any_leading_axes_and_heeds_the_gap() -> None:
    torch.manual_seed(0)
    head = InverseDynamics(6, 4).eval()
    before, after = normal(3, 5, 6), normal(3, 5, 6, seed=1)
    assert head(before, after).shape == (3, 5, 4)
    assert torch.allclose(head(before, after)[1], head(before[1], after[1]), atol=1e-6)
    far = head(before[:, 0], after[:, 0], torch.tensor([1.0, 7.0, 7.0]))
    assert torch.allclose(far[0], head(before[0, 0][None], after[0, 0][None])[0], atol=1e-6)
    assert not torch.allclose(far[1], head(before[:, 0], after[:, 0])[1], atol=1e-3)


def test_inverse_dynamics_and_contrast_pull_on_nearly_collapsed_states() -> None:
    torch.manual_seed(0)
    head, contrast = InverseDynamics(6, 2), EpisodeContrast(6)
    noise = normal(64, 6).requires_grad_()
    torch.nn.functional.mse_loss(head(1e-3 * noise, 1e-3 * noise.roll(1, 0)), normal(64, 2)).backward()
    assert noise.grad is not None
    assert noise.grad.norm() > 1e-4
    noise.grad = None
    contrast(1 + 0.1 * noise, 1 + 0.1 * noise.roll(1, 1)).backward()
    assert noise.grad is not None
    assert noise.grad.norm() > 1e-4


def test_contrast_prefers_states_that_know_their_episode() -> None:
    torch.manual_seed(0)
    contrast = EpisodeContrast(6)
    episode = 5 * normal(32, 6)
    knows = contrast(episode, episode + 0.01 * normal(32, 6, seed=1))
    does_not = contrast(episode, 5 * normal(32, 6, seed=2))
    constant = contrast(torch.ones(32, 6), torch.ones(32, 6))
    assert knows < constant < does_not
    assert constant.item() == pytest.approx(math.log(32), rel=1e-4)


def test_the_expander_tells_functions_of_one_factor_from_two_factors() -> None:
    """Squares and cubes of one factor are decorrelated dimensions; expanded, their covariance shows."""
    torch.manual_seed(0)
    one, two = normal(512, 1), normal(512, 2, seed=1)
    functions = torch.cat([one, (one.square() - 1) / 2**0.5], 1)
    expander = Expander(2, 64)
    assert expander(two).shape == (512, 64)
    assert covariance_penalty(functions).item() == pytest.approx(covariance_penalty(two).item(), abs=0.1)
    assert covariance_penalty(expander(functions)) > 1.2 * covariance_penalty(expander(two))
