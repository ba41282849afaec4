"""MPPI against known optima, and its weights."""

import pytest
import torch

from forethought.actor import MPPI
from forethought.actor.mppi import path_weights, weighted_refit

SLOW = MPPI(horizon=4, candidates=256, iterations=12, temperature=0.2, noise=0.7, correlation=0.0)


def test_finds_the_bottom_of_a_bowl(problems):
    target = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    plan = SLOW.plan(problems.bowl(target))
    assert plan.energy.max() < 5e-3


def test_reaches_the_optimum_of_a_double_integrator(problems):
    problem, best = problems.double_integrator(torch.tensor([[1.0, 0.0], [-0.5, 0.4]]), effort=0.1, horizon=4)
    optimum = problem.energy(problem.rollout(best[:, None]), best[:, None])[:, 0]
    assert (SLOW.plan(problem).energy <= optimum * 1.05 + 2e-3).all()


def test_permuting_episodes_permutes_plans(problems):
    target = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(1))
    plan = SLOW.plan(problems.bowl(target, seeds=[0, 1, 2]))
    permuted = SLOW.plan(problems.bowl(target[[2, 0, 1]], seeds=[2, 0, 1]))
    assert torch.allclose(permuted.actions, plan.actions[[2, 0, 1]], atol=1e-5)


def test_weights_ignore_unit_and_offset_of_the_energy():
    energy = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 5.0]])
    weights = path_weights(energy, 0.5)
    assert torch.allclose(weights.sum(1), torch.ones(2))
    assert torch.allclose(weights, path_weights(1000 * energy - 7, 0.5), atol=1e-5)
    assert (weights[0, :-1] > weights[0, 1:]).all()
    expected = torch.softmax(-energy[0] / (0.5 * energy[0].std(correction=0)), 0)
    assert torch.allclose(weights[0], expected)


def test_equal_energies_weigh_the_same():
    assert torch.equal(path_weights(torch.full((1, 4), 3.0), 0.5), torch.full((1, 4), 0.25))


def test_pull_is_the_weighted_mean_and_deviation():
    actions = torch.tensor([0.0, 4.0]).view(1, 2, 1, 1)
    pulled = weighted_refit(actions, torch.tensor([[0.25, 0.75]]), min_std=torch.tensor([0.1]))
    assert pulled.mean.item() == pytest.approx(3.0)
    assert pulled.std.item() == pytest.approx(3.0**0.5)
    certain = weighted_refit(actions, torch.tensor([[0.0, 1.0]]), min_std=torch.tensor([0.1]))
    assert certain.std.item() == pytest.approx(0.1)


def test_calls_count_every_block(problems):
    assert SLOW.plan(problems.bowl(torch.zeros(2, 4, 2))).calls == (256 * 12 + 1) * 4
