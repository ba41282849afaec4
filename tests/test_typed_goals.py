"""Goals are typed: several at once, kinds that no cost understands, and costs of one's own at every level."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import tiny
from agent_fixtures import B, Observations, changed, one, see
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks, encode_levels
from forethought.config import Configuration
from forethought.cost import Cost, Imagined, Weights, check_cost
from forethought.errors import ConformanceError, ForethoughtError
from forethought.goals import EncodedGoal, StateGoal, several
from forethought.types import Goal, ObservationGoal, Task, WeightedGoals

HERE, THERE = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)).unbind(0)


def apart(states: Tensor, goals: Tensor) -> Tensor:
    return (states - goals).norm(dim=-1)


def test_several_goals_are_as_far_as_the_weighted_mean_of_them() -> None:
    both, states = several([StateGoal(HERE), StateGoal(THERE)], [1.0, 3.0]), torch.randn(3, 2, 5, 4)
    expected = 0.25 * apart(states, HERE[:, None, None]) + 0.75 * apart(states, THERE[:, None, None])
    assert torch.allclose(both.distance(apart, states), expected)
    assert torch.equal(both.leading, THERE), "the one of the largest weight"
    some = torch.tensor([2, 0])
    assert torch.allclose(both.subset(some).distance(apart, states[some]), expected[some])
    guided = torch.tensor([True, False, False])
    replaced = both.replaced(guided, states[:, 0, 0]).distance(apart, states)
    assert torch.allclose(replaced[0], apart(states[0], states[0, 0, 0]))
    assert torch.allclose(replaced[1:], expected[1:])
    with pytest.raises(ForethoughtError, match="same episodes"):
        several([StateGoal(HERE), StateGoal(THERE[:2])], [1.0, 1.0])


class Sentence(Goal):
    """A kind that nothing understands yet."""


@pytest.mark.parametrize(
    ("goals", "weights", "sentence"),
    [
        ((), (), "0 goals"),
        ((Sentence(),), (1.0, 2.0), "1 goals came with 2 weights"),
        ((Sentence(),), (0.0,), "above 0"),
        ((WeightedGoals((Sentence(),), (1.0,)),), (1.0,), "elementary"),
    ],
)
def test_what_is_no_weighted_set_is_refused(goals: tuple[Goal, ...], weights: tuple[float, ...], sentence: str) -> None:
    with pytest.raises(ForethoughtError, match=sentence):
        WeightedGoals(goals, weights)


def test_an_observation_by_itself_is_no_goal() -> None:
    # Made past the type checker, which stands before each call in the tests and before none of a user's.
    task = object.__new__(Task)
    object.__setattr__(task, "goal", {"pixels": np.zeros(3)})
    with pytest.raises(ForethoughtError, match=r"can't be a dict: use Task.reach"):
        task.__post_init__()


@pytest.mark.parametrize("goal", [Sentence(), WeightedGoals((ObservationGoal({}), Sentence()), (1.0, 1.0))])
def test_a_goal_that_no_cost_understands_is_refused_with_what_they_do(goal: Goal) -> None:
    agent = tiny.point_agent(False)
    agent.reset(Task.reach(one(see(agent, B, 1), 0)), seed=0)
    with pytest.raises(ForethoughtError, match=r"No cost .* a Sentence.*'critic' ObservationGoal"):
        agent.reset(Task(goal), seed=0)
    assert agent.act(one(see(agent, B, 2), 0)).shape == (2,), "the episode in progress goes on"


def both(first: Observations, second: Observations, weights: tuple[float, float]) -> Task:
    return Task(WeightedGoals((ObservationGoal(first), ObservationGoal(second)), weights))


@pytest.mark.parametrize("mode", ["plan", "auto", "react"])
@pytest.mark.parametrize("make", [lambda: tiny.point_agent(False), tiny.three_level_agent, tiny.uncertain_agent])
def test_the_same_goal_twice_is_that_goal(make, mode) -> None:  # type: ignore[no-untyped-def]
    agent = make()
    for stage in agent.modules.above:
        stage.reachability.ends[-1].weight.mul_(50.0)
    goal, now, taken = see(agent, B, 1), see(agent, B, 2), []
    for task in (Task.reach(goal), both(goal, goal, (1.0, 3.0))):
        agent.reset(task, seeds=range(B))
        taken.append([agent.decide(now, mode) for _ in range(2)][-1])
    np.testing.assert_allclose(taken[0].actions, taken[1].actions, atol=1e-3)
    assert torch.allclose(taken[0].plan.energy, taken[1].plan.energy, atol=1e-3)


def test_what_a_plan_costs_is_the_weighted_mean_of_what_it_costs_for_each_goal() -> None:
    agent = tiny.point_agent(False)
    first, second, now = see(agent, B, 1), see(agent, B, 3), see(agent, B, 2)
    agent.reset(both(first, second, (1.0, 3.0)), seeds=range(B))
    decision = agent.decide(now, "plan")
    imagined = Imagined(decision.plan.states[:, None], decision.plan.actions[:, None])
    state, *goals = (
        agent.modules.world_model.encode({name: torch.from_numpy(values) for name, values in shown.items()})
        for shown in (now, first, second)
    )
    weights = Weights.of(agent.configuration.planner.cost)
    with torch.no_grad():
        energy = [agent.modules.energy_of(imagined, StateGoal(goal), weights).total[:, 0] for goal in goals]
        blocks = [agent.modules.critic.distance(state, goal) for goal in goals]
    assert torch.allclose(decision.plan.energy, 0.25 * energy[0] + 0.75 * energy[1], atol=1e-4)
    assert torch.allclose(decision.distance, 0.25 * blocks[0] + 0.75 * blocks[1], atol=1e-4)
    assert torch.allclose(decision.target, goals[1], atol=1e-5), "Mode-1 heads for the heavier one"


def test_a_shortest_way_over_landmarks_leads_to_one_goal() -> None:
    agent = tiny.two_level_agent()
    goal = see(agent, B, 1)
    with pytest.raises(ForethoughtError, match="LandmarkSubgoals plans paths to ObservationGoal only"):
        agent.reset(both(goal, goal, (1.0, 1.0)), seeds=range(B))


class Watching(Cost):
    """Notes what it is asked to judge, and costs most where nothing is done."""

    name = "watching"

    def __init__(self, every_level: bool) -> None:
        super().__init__()
        self.every_level = every_level
        self.seen: list[tuple[Imagined, Tensor]] = []

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        assert isinstance(goal, StateGoal)
        self.seen.append((imagined, goal.state))
        return -imagined.actions.square().mean(-1)


def watched(agent: Agent, cost: Cost, weight: float, **settings: dict[str, float]) -> Agent:
    """The same agent with one cost more."""
    modules = AgentNetworks(agent.configuration)
    modules.load_state_dict(agent.modules.state_dict())
    modules.energy.task.append(cost)
    for stage in modules.above:
        stage.reachability.ends[-1].weight.data.mul_(50.0)
    configuration: Configuration = changed(agent, **settings).configuration
    return Agent(configuration.changed({"planner": {"cost": {"extra": {cost.name: weight}}}}, "to see"), modules)


@pytest.mark.parametrize("make", [tiny.three_level_agent, tiny.two_level_agent])
def test_a_cost_of_ones_own_counts_by_the_goal_while_a_level_above_leads(make) -> None:  # type: ignore[no-untyped-def]
    force = []
    for weight in (1e-6, 100.0):
        cost = Watching(every_level=False)
        agent = watched(make(), cost, weight)
        goal, now = see(agent, B, 1), see(agent, B, 2)
        agent.reset(Task.reach(goal), seeds=range(B))
        decision = agent.decide(now, "plan")
        assert decision.route is not None or (decision.above is not None and decision.above.guided.all())
        wanted = agent.modules.world_model.encode({"pixels": torch.from_numpy(goal["pixels"])})
        assert cost.seen
        assert all(imagined.states.shape[-1] == 16 for imagined, _ in cost.seen), "states of level 1 alone"
        assert all(torch.allclose(state, wanted, atol=1e-4) for _, state in cost.seen), "the task's goal, and no subgoal"
        force.append(decision.plan.actions.square().mean())
    assert force[1] > 1.2 * force[0]


@pytest.mark.parametrize("accepts", [(), (Sentence,), (Watching,)])
def test_the_kit_asks_a_cost_what_it_accepts(accepts: tuple[type, ...]) -> None:
    cost = Watching(every_level=False)
    check_cost(cost)
    cost.accepts = accepts
    with pytest.raises(ConformanceError, match="accept"):
        check_cost(cost)


def test_a_cost_that_judges_every_level_is_given_that_levels_states_and_goal() -> None:
    cost = Watching(every_level=True)
    agent = watched(tiny.three_level_agent(), cost, 100.0)
    goal, now = see(agent, B, 1), see(agent, B, 2)
    agent.reset(Task.reach(goal), seeds=range(B))
    heavy = agent.decide(now, "plan").above
    wanted = agent.modules.world_model.encode({"pixels": torch.from_numpy(goal["pixels"])})
    by_level = encode_levels(agent.modules.above, wanted)
    macro = agent.configuration.model.hierarchy.macro_dim
    levels = set()
    for imagined, state in cost.seen:
        alike = (each.shape == state.shape and torch.allclose(each, state, atol=1e-4) for each in by_level)
        matching = [number for number, same in enumerate(alike) if same]
        assert matching, "the task's goal, as one of the levels sees it"
        assert (imagined.actions.shape[-1] == macro) == (matching[0] > 0)
        levels |= set(matching)
    assert levels == {0, 1, 2}
    light = watched(tiny.three_level_agent(), Watching(every_level=True), 1e-6)
    light.reset(Task.reach(goal), seeds=range(B))
    plain = light.decide(now, "plan").above
    assert heavy is not None
    assert plain is not None
    for one_plan, other in zip(heavy.plans, plain.plans, strict=True):
        assert one_plan.actions.square().mean() > other.actions.square().mean()
