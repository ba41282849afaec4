"""Categorical CEM finds known optima among all codes, and samples what it says."""

import pytest
import torch

from forethought.actor import CategoricalCEM
from forethought.actor.categorical import choose
from forethought.errors import ForethoughtError

PLANNER = CategoricalCEM(horizon=3, candidates=100, iterations=8, elites=10, correlation=0.0)


def matching(problems, best: torch.Tensor, codes: int, seeds, **rest):
    """Energy: number of steps [B, H, steps] whose choice is not the best one; one plan in codes^(H * steps) costs 0."""
    wanted = torch.nn.functional.one_hot(best, codes).flatten(-2).float()
    size = wanted.shape[-1]
    return problems.make(
        lambda actions: actions.cumsum(2),
        lambda states, actions: best[0].numel() - (actions * wanted[:, None]).sum((-2, -1)),
        torch.zeros(size),
        torch.ones(size),
        seeds,
        steps=best.shape[-1],
        codes=codes,
        **rest,
    )


def test_finds_the_one_best_plan(problems):
    best = torch.randint(5, (4, 3, 2), generator=torch.Generator().manual_seed(0))
    plan = PLANNER.plan(matching(problems, best, 5, [1, 2, 3, 4]))
    assert plan.energy.tolist() == [0, 0, 0, 0]
    assert torch.equal(plan.actions.view(4, 3, 2, 5).argmax(-1), best)


def test_permuting_episodes_permutes_plans(problems):
    best = torch.randint(5, (3, 3, 2), generator=torch.Generator().manual_seed(1))
    small = CategoricalCEM(horizon=3, candidates=8, iterations=2, elites=3, correlation=0.5)
    plan = small.plan(matching(problems, best, 5, [1, 2, 3]))
    permuted = small.plan(matching(problems, best[[2, 0, 1]], 5, [3, 1, 2]))
    assert torch.equal(permuted.actions, plan.actions[[2, 0, 1]])


def test_soft_candidates_become_their_nearest_code_and_are_never_lost(problems):
    best = torch.randint(5, (2, 3, 2), generator=torch.Generator().manual_seed(2))
    soft = torch.nn.functional.one_hot(best, 5).flatten(-2).float()[:, None] * 0.4 + 0.1
    tiny = CategoricalCEM(horizon=3, candidates=4, iterations=1, elites=1, correlation=0.5)
    assert tiny.plan(matching(problems, best, 5, [1, 2], candidates=soft)).energy.tolist() == [0, 0]


def test_choices_follow_their_probabilities_exactly():
    probability = torch.tensor([0.0, 0.2, 0.5, 0.3, 0.0]).view(1, 1, 1, 5)
    chance = torch.linspace(0, 1, 1001)[None, :, None, None]
    out = torch.empty(1, 1001, 1, 5)
    choose(probability, chance, out)
    assert torch.equal(out.sum(-1), torch.ones(1, 1001, 1)), "one choice, also for chances of exactly 0 and 1"
    assert torch.allclose(out.mean(1).flatten(), probability.flatten(), atol=2e-3)


def test_correlation_makes_neighbouring_steps_agree(problems):
    best = torch.zeros(1, 3, 4, dtype=torch.int64)

    def agreement(correlation):
        seen = []
        problem = matching(problems, best, 5, [1])
        record = problems.make(
            lambda a: seen.append(a.clone()) or a, problem.energy, problem.low, problem.high, [1], steps=4, codes=5
        )
        CategoricalCEM(3, 400, 1, 10, correlation).plan(record)
        choice = seen[0].view(400, 12, 5).argmax(-1)
        return (choice[:, 1:] == choice[:, :-1]).float().mean().item()

    assert agreement(0.0) == pytest.approx(0.2, abs=0.03)
    assert agreement(0.95) > 0.6


def test_continuous_actions_are_refused(problems):
    with pytest.raises(ForethoughtError, match="icem"):
        PLANNER.plan(problems.bowl(torch.zeros(2, 3, 2)))
