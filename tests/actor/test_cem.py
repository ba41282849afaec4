"""CEM and iCEM against known optima, and the parts that their papers describe."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forethought.actor import CEM, ICEM, EpisodeGenerators, PlanningProblem, sampling_search
from forethought.actor.cem import KeptElites, population_sizes, refit, refit_with_kept_elites
from forethought.actor.gaussian import Gaussian
from forethought.actor.noise import ColouredNoise, autoregressive_mixing
from forethought.actor.sampling_search import cheapest
from forethought.errors import ForethoughtError, NonFiniteError

SLOW = {"horizon": 4, "candidates": 128, "iterations": 12, "elites": 12, "noise": 0.7, "correlation": 0.0}
FAST = {"horizon": 4, "candidates": 16, "iterations": 2, "elites": 4, "noise": 0.7, "correlation": 0.5}


@pytest.mark.parametrize("make", [CEM, ICEM])
def test_finds_the_bottom_of_a_bowl(problems, make):
    target = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    plan = make(**SLOW).plan(problems.bowl(target))
    assert (plan.actions - target).abs().max() < 0.1
    assert plan.energy.max() < 2e-3


@pytest.mark.parametrize(("make", "slack"), [(CEM, 0.02), (ICEM, 0.3)])
def test_reaches_the_optimum_of_a_double_integrator(problems, make, slack):
    problem, best = problems.double_integrator(torch.tensor([[1.0, 0.0], [-0.5, 0.4]]), effort=0.1, horizon=4)
    optimum = problem.energy(problem.rollout(best[:, None]), best[:, None])[:, 0]
    plan = make(**SLOW).plan(problem)
    assert (plan.energy >= optimum - 1e-5).all()
    assert (plan.energy <= optimum * (1 + slack) + 1e-3).all(), "iCEM's populations shrink to a quarter: less exact"


@pytest.mark.parametrize("make", [CEM, ICEM])
def test_permuting_episodes_permutes_plans(problems, make):
    target = torch.rand(4, 4, 2, generator=torch.Generator().manual_seed(1))
    order = torch.tensor([2, 0, 3, 1])
    plan = make(**FAST).plan(problems.bowl(target, seeds=[0, 1, 2, 3]))
    permuted = make(**FAST).plan(problems.bowl(target[order], seeds=order.tolist()))
    assert torch.equal(permuted.actions, plan.actions[order])
    assert torch.equal(permuted.energy, plan.energy[order])


@settings(max_examples=15, deadline=None)
@given(low=st.floats(-3, 0.9), width=st.floats(0.01, 3), steps=st.integers(1, 3), kind=st.sampled_from([CEM, ICEM]))
def test_every_action_ever_imagined_is_within_bounds(low, width, steps, kind):
    size = 2 * steps
    low_, high_ = torch.full((size,), low), torch.full((size,), low + width)

    def rollout(actions):
        assert ((actions >= low_) & (actions <= high_)).all()
        return actions

    wild = torch.randn(2, 3, 4, size, generator=torch.Generator().manual_seed(2)) * 5
    problem = PlanningProblem(
        2, rollout, lambda s, a: s.sum((-2, -1)), low_, high_, None, steps, wild, EpisodeGenerators([1, 2])
    )
    plan = kind(**FAST).plan(problem)
    assert ((plan.actions >= low_) & (plan.actions <= high_)).all()


@pytest.mark.parametrize("make", [CEM, ICEM])
def test_given_candidates_are_imagined_first_and_never_lost(problems, make):
    target = torch.full((2, 4, 2), 0.9)
    for count in (1, 5, 40):
        given_ = torch.zeros(2, count, 4, 2)
        given_[:, count // 2] = 0.9
        plan = make(**FAST).plan(problems.bowl(target, candidates=given_))
        assert torch.allclose(plan.actions, target)
        assert plan.energy.max() < 1e-9


def test_candidates_of_the_wrong_shape_are_refused(problems):
    with pytest.raises(ForethoughtError, match=r"\[2, any, 4, 2\]"):
        CEM(**FAST).plan(problems.bowl(torch.zeros(2, 4, 2), candidates=torch.zeros(2, 3, 5, 2)))


def test_discrete_actions_are_refused(problems):
    with pytest.raises(ForethoughtError, match="categorical"):
        ICEM(**FAST).plan(problems.bowl(torch.zeros(2, 4, 2), codes=2))


def test_calls_count_every_block(problems):
    target = torch.zeros(2, 4, 2)
    assert CEM(**FAST).plan(problems.bowl(target)).calls == (16 * 2 + 1) * 4
    assert ICEM(**FAST).plan(problems.bowl(target)).calls == (16 + 12) * 4


def test_refit_is_mean_and_deviation_of_the_elites():
    fitted = refit(torch.tensor([[[[1.0]], [[3.0]]]]))
    assert (fitted.mean.item(), fitted.std.item()) == (2.0, 1.0)


def test_cheapest_keeps_the_right_ones_per_episode():
    actions = torch.arange(6.0).view(2, 3, 1, 1)
    kept, energy = cheapest(actions, torch.tensor([[3.0, 1.0, 2.0], [1.0, 3.0, 2.0]]), 2)
    assert kept.flatten(1).tolist() == [[1, 2], [3, 5]]
    assert energy.tolist() == [[1, 2], [1, 2]]


def test_population_shrinks_but_holds_the_elites():
    assert population_sizes(100, 4, 10) == [100, 80, 64, 51]
    assert population_sizes(20, 3, 10) == [20, 20, 20]


def test_elites_live_on_with_their_energies():
    flat = Gaussian(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    old = KeptElites(flat, torch.full((1, 1, 1, 1), 7.0), torch.tensor([[0.0]]))
    new = refit_with_kept_elites(old, torch.tensor([[[[1.0]], [[2.0]], [[3.0]]]]), torch.tensor([[1.0, 2.0, 3.0]]), count=2)
    assert new.actions.flatten().tolist() == [7.0]
    assert new.energy.tolist() == [[0.0]]
    assert new.gaussian.mean.item() == pytest.approx(0.9 * 4.0)
    assert new.gaussian.std.item() == pytest.approx(0.9 * 3.0 + 0.1 * 1.0)


def test_the_mean_is_a_candidate_of_the_last_iteration(problems):
    seen = []
    bowl = problems.bowl(torch.full((2, 4, 2), 0.5))
    watched = problems.make(lambda actions: seen.append(actions.clone()) or actions, bowl.energy, bowl.low, bowl.high, [0, 1])
    ICEM(**{**FAST, "elites": 16, "iterations": 2}).plan(watched)
    assert torch.allclose(seen[1][:, 0], 0.9 * seen[0].mean(dim=1), atol=1e-6), "all were elites; the old mean was 0"


def test_noise_has_unit_variance_and_the_asked_correlation(problems):
    problem = problems.bowl(torch.zeros(2, 3, 4), steps=2)
    noise = ColouredNoise(problem, 20_000, 3, 2, correlation=0.8)
    drawn = noise.draw(problem.streams, torch.empty(2, 20_000, 3, 4)).view(2, 20_000, 6, 2)
    assert (drawn.var(dim=1) - 1).abs().max() < 0.05
    for lag, wanted in ((1, 0.8), (3, 0.8**3)):
        measured = (drawn[:, :, lag:] * drawn[:, :, :-lag]).mean(dim=1)
        assert (measured - wanted).abs().max() < 0.05, f"lag {lag} crosses blocks"
    assert (drawn[..., 0] * drawn[..., 1]).mean().abs() < 0.02, "channels are independent"


def test_mixing_is_the_root_of_the_covariance():
    mixing = autoregressive_mixing(5, 0.7)
    lags = (torch.arange(5)[:, None] - torch.arange(5)).abs()
    assert torch.allclose(mixing @ mixing.T, 0.7 ** lags.double())
    assert torch.equal(autoregressive_mixing(3, 0.0), torch.eye(3, dtype=torch.float64))


def test_colour_helps_a_body_with_inertia(problems):
    """What iCEM is for: far from the goal, with few samples, correlated noise travels further."""
    problem, _ = problems.double_integrator(torch.tensor([[1.0, 0.0]] * 8), effort=0.01, horizon=4)
    far = problems.make(problem.rollout, lambda s, a: -s[..., -1, 0], problem.low, problem.high, list(range(8)))
    white = ICEM(**{**FAST, "correlation": 0.0}).plan(far).energy.mean()
    far = problems.make(problem.rollout, lambda s, a: -s[..., -1, 0], problem.low, problem.high, list(range(8)))
    coloured = ICEM(**{**FAST, "correlation": 0.9}).plan(far).energy.mean()
    assert coloured < white


def test_a_population_in_parts_gives_the_same_plan(problems, monkeypatch):
    target = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(0))
    whole = CEM(**SLOW).plan(problems.bowl(target))
    monkeypatch.setattr(sampling_search, "ROWS_AT_ONCE", 15)
    sizes = []
    bowl = problems.bowl(target)
    watched = problems.make(
        lambda actions: sizes.append(actions.shape[1]) or actions * 1.0, bowl.energy, bowl.low, bowl.high, [0, 1, 2]
    )
    parts = CEM(**SLOW).plan(watched)
    assert set(sizes) == {5, 3, 1}, "128 candidates of 3 episodes, 5 at a time; then the mean"
    assert parts.calls == whole.calls
    for name in ("actions", "states", "energy"):
        assert torch.equal(getattr(parts, name), getattr(whole, name))


def test_a_bad_candidate_of_a_later_part_is_named(problems, monkeypatch):
    monkeypatch.setattr(sampling_search, "ROWS_AT_ONCE", 4)
    bowl = problems.bowl(torch.zeros(1, 4, 2))
    given = torch.zeros(1, 10, 4, 2)
    given[0, 9] = 1.0
    bad = problems.make(
        bowl.rollout, lambda states, actions: 1 / (1 - actions.mean((2, 3))), bowl.low, bowl.high, [0], candidates=given
    )
    with pytest.raises(NonFiniteError, match="candidate 9 is inf"):
        CEM(**SLOW).plan(bad)


def test_noise_is_scaled_as_if_afterwards(problems):
    std = torch.rand(2, 3, 4)
    drawn = []
    for scale in (None, std):
        problem = problems.bowl(torch.zeros(2, 3, 4), steps=2)
        noise = ColouredNoise(problem, 50, 3, 2, correlation=0.8)
        drawn.append(noise.draw(problem.streams, torch.empty(2, 50, 3, 4), scale))
    assert torch.equal(drawn[0] * std[:, None], drawn[1])
