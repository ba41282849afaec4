"""The gradient planner against known optima; it must beat its starts and leave the model alone."""

import dataclasses

import pytest
import torch
from torch import nn

from forethought.actor import CEM, GradientPlanner
from forethought.actor.gradient import Polished, adam_
from forethought.errors import ForethoughtError, NonFiniteError

PLANNER = GradientPlanner(horizon=4, candidates=6, iterations=80, learning_rate=0.05, noise=0.7, correlation=0.5)


def test_reaches_the_optimum_of_a_double_integrator(problems):
    problem, best = problems.double_integrator(torch.tensor([[1.0, 0.0], [-0.5, 0.4]]), effort=0.1, horizon=4)
    optimum = problem.energy(problem.rollout(best[:, None]), best[:, None])[:, 0]
    plan = PLANNER.plan(problem)
    assert (plan.energy <= optimum + 2e-3).all()
    assert (plan.actions - best).abs().max() < 0.1


def test_stops_at_the_bounds(problems):
    plan = PLANNER.plan(problems.bowl(torch.full((2, 4, 2), 3.0), low=-0.5, high=0.25))
    assert torch.equal(plan.actions, torch.full((2, 4, 2), 0.25))


def test_beats_its_starts_through_a_network(problems):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    starts = torch.rand(2, 6, 4, 2, generator=torch.Generator().manual_seed(3)) - 0.5
    low, high = torch.full((2,), -1.0), torch.full((2,), 1.0)

    def rollout(actions):
        return model(actions).cumsum(2)

    with torch.no_grad():
        goal = rollout(torch.full((1, 1, 4, 2), 0.6))[:, :, -1]

    def energy(states, actions):
        return (states[:, :, -1] - goal).square().mean(-1)

    with torch.no_grad():
        problem = problems.make(rollout, energy, low, high, [1, 2], candidates=starts)
        begun = energy(rollout(starts), starts).amin(1)
        plan = PLANNER.plan(problem)
    assert (plan.energy < 0.1 * begun).all()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not plan.actions.requires_grad
    assert not plan.states.requires_grad


def test_permuting_episodes_permutes_plans(problems):
    target = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(1))
    short = dataclasses.replace(PLANNER, iterations=5)
    plan = short.plan(problems.bowl(target, seeds=[0, 1, 2]))
    permuted = short.plan(problems.bowl(target[[2, 0, 1]], seeds=[2, 0, 1]))
    assert torch.equal(permuted.actions, plan.actions[[2, 0, 1]])


def test_an_energy_without_gradient_is_refused(problems):
    flat = problems.make(lambda actions: actions.detach(), lambda s, a: s.sum((-2, -1)), -torch.ones(2), torch.ones(2), [1])
    with pytest.raises(ForethoughtError, match="no gradient in the actions"):
        PLANNER.plan(flat)


def test_a_number_moves_in_units_of_its_own_range(problems):
    low, high = torch.tensor([-1.0, -100.0]), torch.tensor([1.0, 100.0])
    starts = torch.zeros(1, 1, 4, 2)
    downhill = problems.make(lambda a: a * 1.0, lambda s, a: s.sum((-2, -1)), low, high, [1], candidates=starts)
    one = dataclasses.replace(PLANNER, candidates=1, iterations=1, learning_rate=0.1).plan(downhill)
    assert torch.allclose(one.actions[0, 0], torch.tensor([-0.1, -10.0]), atol=1e-5)


@pytest.mark.parametrize("rate", [0.02, 3.0])
def test_polish_only_ever_cheapens(problems, rate):
    target = torch.rand(5, 4, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    found = CEM(4, 12, 2, 4, 0.7, 0.5)
    rough = found.plan(problems.bowl(target))
    plan = Polished(4, found, 8, rate).plan(problems.bowl(target))
    assert (plan.energy <= rough.energy + 1e-6).all()
    assert plan.calls == rough.calls + 4 * 9
    if rate < 1:
        assert (plan.energy < 0.8 * rough.energy).all()


def test_polish_will_not_hide_a_slope_of_nan(problems):
    kink = problems.make(lambda a: a * 0, lambda s, a: s.square().sum((-2, -1)).sqrt(), -torch.ones(2), torch.ones(2), [1, 2])
    with pytest.raises(NonFiniteError, match="finite, but its gradient is not"):
        Polished(4, CEM(4, 12, 1, 4, 0.7, 0.5), 2, 0.1).plan(kink)


def test_adam_is_the_papers_algorithm():
    actions = torch.linspace(-1, 1, 5)
    wanted, m, v = actions.clone(), torch.zeros(5), torch.zeros(5)
    first, second = torch.zeros(5), torch.zeros(5)
    for t in range(1, 6):
        gradient = torch.sin(3 * wanted) * 2
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        wanted = wanted - 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        adam_(actions, gradient, first, second, t, torch.full((5,), 0.1))
    assert torch.allclose(actions, wanted, atol=1e-5)


def test_calls_count_every_forward_block(problems):
    assert dataclasses.replace(PLANNER, iterations=3).plan(problems.bowl(torch.zeros(2, 4, 2))).calls == 6 * 4 * 4
