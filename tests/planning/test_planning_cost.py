"""What may come of it: the most different futures, how likely each is, and what a planner makes of them."""

import pytest
import torch

import tiny
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.cost.composition import Weights
from forethought.cost.contract import Imagined
from forethought.goals import StateGoal
from forethought.inspection import select_diverse_futures
from forethought.planning import LearnedLevels, PlanningCost, first_level, make_subgoals, planning_problem
from forethought.planning.levels import TO_GOAL
from forethought.planning.scenarios import Risk, Scenarios
from forethought.world_model.level import Context


def drawn(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None].expand(-1, 1, 2, 3)


def test_two_ways_are_found_with_their_odds() -> None:
    noise = 0.01 * torch.randn(20, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    found = select_diverse_futures(drawn(*[1.0] * 15, *[-1.0] * 5) + noise, 2)
    assert found.odds[:, 0].tolist() == pytest.approx([0.75, 0.25])
    assert found.states[:, 0].mean((1, 2)).tolist() == pytest.approx([1.0, -1.0], abs=0.05)


def test_a_rare_way_is_shown_rather_than_a_likely_one_twice() -> None:
    found = select_diverse_futures(drawn(*[0.0] * 31, *[0.1] * 29, 5.0), 2)
    assert found.states[:, 0, 0, 0].tolist() == pytest.approx([0.0, 5.0])
    assert found.odds[1, 0].item() == pytest.approx(1 / 61)


def test_where_all_futures_are_the_same_one_is_certain() -> None:
    found = select_diverse_futures(drawn(*[2.0] * 6), 3)
    assert found.odds[:, 0].tolist() == [1.0, 0.0, 0.0]
    assert found.states.unique().tolist() == [2.0]


def test_plans_are_looked_at_apart() -> None:
    draws = torch.randn(12, 3, 2, 4, generator=torch.Generator().manual_seed(1))
    every = select_diverse_futures(draws, 4)
    for plan in range(3):
        alone = select_diverse_futures(draws[:, [plan]], 4)
        assert torch.equal(every.states[:, plan], alone.states[:, 0])
        assert torch.equal(every.odds[:, plan], alone.odds[:, 0])


@pytest.mark.parametrize("risk", ["mean", "worst", "cvar", "mean_std"])
def test_a_plan_is_priced_as_the_risk_says_and_never_by_the_future_that_one_would_wish_for(risk: Risk) -> None:
    """What the planner is given, priced future by future with the same weights."""
    agent, count, horizon = tiny.uncertain_agent(), 4, 3
    modules, size, dim = agent.modules, agent.configuration.data.block_size, agent.configuration.model.encoder.state_dim
    draws = torch.Generator().manual_seed(0)
    context, goal = (
        Context(torch.randn(2, 1, dim, generator=draws), torch.zeros(2, 0, size)),
        StateGoal(torch.randn(2, dim, generator=draws)),
    )
    actions, weights = torch.randn(2, 5, horizon, size, generator=draws), Weights(task={"critic": 1.0})
    futures = Scenarios(torch.rand(2, count, horizon, 1, generator=draws), risk, 0.5)
    level = first_level(modules, agent.body)
    cost = PlanningCost(level.terms, weights, goal, worst_case=futures.risk_averse)
    problem = planning_problem(level, context, cost, futures, EpisodeGenerators(range(2)))
    found = problem.energy(problem.rollout(actions), actions)
    each = []
    for one in futures.chance.unbind(1):
        states = modules.world_model.rollout(context, actions, one[:, None].expand(-1, 5, -1, -1))
        each.append(modules.energy_of(Imagined(states, actions, worst_case=risk != "mean"), goal, weights).total)
    every = torch.stack(each, -1)
    wanted = {
        "mean": every.mean(-1),
        "worst": every.amax(-1),
        "cvar": every.topk(2, -1).values.mean(-1),
        "mean_std": every.mean(-1) + 0.5 * every.std(-1, correction=0),
    }
    assert torch.allclose(found, wanted[risk], atol=1e-4)
    assert (found > every.amin(-1) + 1e-4).any()


def test_a_cost_says_what_it_is_made_of_and_its_parts_sum_to_it() -> None:
    agent = tiny.three_level_agent()
    source, draws = make_subgoals(agent.modules, agent.configuration), torch.Generator().manual_seed(0)
    assert isinstance(source, LearnedLevels)
    planner, rows = source.planners[0], torch.arange(2)
    planner.reset(2, EpisodeGenerators(range(2)))
    state, goal = (torch.randn(2, 12, generator=draws) for _ in range(2))
    states, actions = torch.randn(2, 5, 2, 12, generator=draws), torch.zeros(2, 5, 2, 3)
    planner.failed_plans.write(state, states[:, 0, 0], state)
    cost = planner.cost(rows, state, StateGoal(goal), Weights(task=TO_GOAL), None)
    parts = cost.breakdown(states, actions)
    assert set(parts) == {"reachability", "ood", "failed_plans"}
    assert all(part.shape == (2, 5) for part in parts.values())
    assert torch.allclose(torch.stack(list(parts.values())).sum(0), cost(states, actions), atol=1e-4)
    assert parts["failed_plans"][:, 0].min() > parts["failed_plans"][:, 1:].max(), "the plan that failed, and no other"
    told = str(cost)
    assert told == "1 * reachability + 2 * ood + 4 * failed_plans; 1 * mean over the path + 1 * its end; goal [2, 12]"
