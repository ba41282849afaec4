"""Plans of the levels above: top-down, one planner for all, subgoals that are remembered states, nothing tried for ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import tiny
from forethought.actor.contract import Plan
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent import Agent
from forethought.agent_networks import encode_levels
from forethought.goals import StateGoal
from forethought.planning import FixedSubgoals, LearnedLevels, NoSubgoals
from forethought.planning.levels import TO_SUBGOAL
from forethought.training.retrain import retrain_hierarchy
from forethought.types import Task
from subgoal_fixtures import (
    B,
    assert_alone_as_together,
    begun,
    far_apart,
    problem_of,
    replanning,
    rows,
    states,
    subgoal_of,
    with_effort,
)


@pytest.fixture
def agent() -> Agent:
    return far_apart(tiny.three_level_agent())


@torch.no_grad()
def test_each_level_plans_within_its_own_macros(agent: Agent) -> None:
    hierarchy = begun(agent)
    guidance = hierarchy.command(states(agent, 2))
    assert guidance.guided.all()
    assert (guidance.calls > 0).all()
    for plan, stage in zip(guidance.plans, agent.modules.above, strict=True):
        assert plan.actions.shape == (B, 2, 3)
        assert plan.states.shape == (B, 2, 12)
        assert (plan.actions >= stage.level.low).all()
        assert (plan.actions <= stage.level.high).all()
        assert torch.isfinite(plan.energy).all()
        assert plan.active.all()


def test_the_distance_on_record_is_to_the_goal_and_not_to_a_subgoal(agent: Agent) -> None:
    goal, here = {"pixels": rows(B, 1)}, {"pixels": rows(B, 2)}
    agent.reset(Task.reach(goal), seeds=range(B))
    decision = agent.decide(here, "plan")
    seen, wanted = (agent.modules.world_model.encode({"pixels": torch.from_numpy(each["pixels"])}) for each in (here, goal))
    assert decision.above is not None
    assert decision.above.guided.all()
    blocks = agent.modules.critic.distance
    assert torch.allclose(decision.distance, blocks(seen, wanted), atol=1e-4)
    assert not torch.allclose(decision.distance, blocks(seen, decision.above.target.leading), atol=1e-2)


@pytest.mark.parametrize("planner", ["cem", "icem", "mppi", "gradient"])
def test_every_planner_serves_every_level(agent: Agent, planner: str) -> None:
    other = with_effort(agent, search={"kind": planner})
    other.reset(Task.reach({"pixels": rows(B, 1)}), seeds=range(B))
    above = other.decide({"pixels": rows(B, 2)}, "react").above
    assert above is not None
    for plan, stage in zip(above.plans, agent.modules.above, strict=True):
        assert torch.isfinite(plan.energy).all()
        assert (plan.actions >= stage.level.low).all()
        assert (plan.actions <= stage.level.high).all()


def test_polished_plans_cost_no_more(agent: Agent) -> None:
    found = []
    for steps in (0, 6):
        hierarchy = begun(with_effort(agent, search={"gradient_steps": steps}))
        with torch.no_grad():
            found.append(hierarchy.command(states(agent, 2)))
    plain, polished = (guidance.plans[1].energy for guidance in found)
    assert (polished <= plain + 1e-4).all()
    assert (polished < plain - 1e-3).any()
    assert (found[1].calls > found[0].calls).all()


@torch.no_grad()
def test_a_polished_plan_does_not_depend_on_its_neighbours(agent: Agent) -> None:
    assert_alone_as_together(agent)


@torch.no_grad()
def test_every_level_is_sent_where_somebody_has_been(agent: Agent) -> None:
    guidance = begun(agent).command(states(agent, 2))
    here = encode_levels(agent.modules.above, states(agent, 2))[1:]
    known = agent.configuration.planner.upper.retrieved_candidates
    for stage, plan, now in zip(agent.modules.above, guidance.plans, here, strict=True):
        first = plan.states[:, 0]
        alike = torch.cdist(now, stage.bank_states).topk(known, largest=False).indices
        assert (stage.bank_later[alike] == first[:, None]).all(-1).any(1).all(), "from a state like this one, in one step"
    first, stage = guidance.plans[0].states[:, 0], agent.modules.above[0]
    step = (stage.bank_later == first[:, None]).all(-1).int().argmax(1)
    assert torch.equal(guidance.subgoal.leading, first)
    assert torch.equal(guidance.target.leading, stage.bank_below[step])


@torch.no_grad()
def test_what_nobody_reached_from_here_is_no_subgoal(agent: Agent) -> None:
    """Foreseen is the very end of a remembered step that began elsewhere; sent is the level to the nearest one from here."""
    hierarchy = begun(agent)
    for number, stage in enumerate(agent.modules.above):
        here = stage.bank_states[:1]
        elsewhere = torch.cdist(here, stage.bank_states)[0].argmax()
        step = hierarchy.nearest_reachable(number, here, stage.bank_later[elsewhere][None, None])
        alike = torch.cdist(here, stage.bank_states)[0].topk(hierarchy.settings.retrieved_candidates, largest=False).indices
        assert elsewhere not in alike
        assert step.item() in alike.tolist()
        missed = torch.cdist(stage.bank_later[elsewhere][None], stage.bank_later[alike])[0]
        assert missed.min() == (stage.bank_later[step[0, 0]] - stage.bank_later[elsewhere]).norm()


@torch.no_grad()
def test_a_level_follows_the_one_above_it(agent: Agent) -> None:
    """With another subgoal from level 3, level 2 plans something else; level 3 leads to the goal."""
    hierarchy = begun(agent)
    now = encode_levels(hierarchy.stages, states(agent, 2))[1:]
    macros = torch.randn(B, 6, 2, 3)
    stay = problem_of(hierarchy, 0, now[0], StateGoal(now[1]), TO_SUBGOAL)
    imagined = stay.rollout(macros)
    before = stay.energy(imagined, macros)
    after = problem_of(hierarchy, 0, now[0], hierarchy.goals[1], TO_SUBGOAL).energy(imagined, macros)
    assert (before - after).abs().min() > 1e-4


@torch.no_grad()
def test_levels_plan_at_their_own_rate(agent: Agent) -> None:
    hierarchy, here = begun(replanning(agent, reached=-1.0, slack=1e6)), states(agent, 2)
    calls = torch.stack([hierarchy.command(here).calls[0] for _ in range(8)])
    assert (calls[:, 1] > 0).tolist() == [step % 4 == 0 for step in range(8)], "level 3 spans 4 blocks"
    assert (calls[:, 0] > 0).tolist() == [step % 2 == 0 for step in range(8)], "level 2 spans 2 blocks"


@torch.no_grad()
def test_a_level_plans_again_where_it_is_there_or_strays(agent: Agent) -> None:
    """Long before its time is up; and where neither is the case, it does not."""
    for reached, slack, again in ((-1.0, 1e6, False), (1e9, 1e6, True), (-1.0, -1e6, True)):
        hierarchy, here = begun(replanning(agent, reached=reached, slack=slack)), states(agent, 2)
        hierarchy.command(here)
        assert (hierarchy.command(here).calls[:, 1] > 0).tolist() == [again] * B, (reached, slack)


@torch.no_grad()
def test_who_takes_the_lead_plans_anew(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    hierarchy, here = begun(replanning(agent, reached=-1.0, slack=1e6)), states(agent, 2)
    assert (hierarchy.command(here).calls > 0).all()
    monkeypatch.setattr(hierarchy.stages[1], "span", 10**9)
    calls = hierarchy.command(here).calls
    assert (calls[:, 0] > 0).all(), "level 2 leads now, to the goal and no longer to a subgoal"
    assert not calls[:, 1].any(), "level 3 is skipped"


@torch.no_grad()
def test_a_level_is_skipped_within_its_own_step_and_within_the_critics_reach(agent: Agent) -> None:
    here, stages = states(agent, 2), agent.modules.above
    pairs = zip(stages, encode_levels(stages, here)[1:], encode_levels(stages, states(agent, 1))[1:], strict=True)
    away = [stage.reachability.distance(now, goal) for stage, now, goal in pairs]
    for reach in (0.5, float(away[0].median()), 1e6):
        hierarchy = begun(with_effort(agent, critic_radius=reach))
        guidance = hierarchy.command(here)
        far = torch.stack([blocks > max(stage.span, reach) for stage, blocks in zip(stages, away, strict=True)])
        for number, plan in enumerate(guidance.plans):
            assert torch.equal(plan.active, far[number:].any(0)), "it leads, or a level above it does"


@torch.no_grad()
def test_a_search_begins_with_what_was_done_in_such_states_and_with_the_last_plan(agent: Agent) -> None:
    hierarchy, here = begun(agent), states(agent, 2)
    hierarchy.command(here)
    count, known = hierarchy.settings.search.num_samples, hierarchy.settings.retrieved_candidates
    for number, (stage, now) in enumerate(zip(hierarchy.stages, encode_levels(hierarchy.stages, here)[1:], strict=True)):
        planner = hierarchy.planners[number]
        plan = planner.plan.actions
        alike = torch.cdist(now, stage.bank_states).topk(known, largest=False).indices
        for age, last in ((0.0, plan), (float(stage.span), torch.cat([plan[:, 1:], plan[:, -1:]], 1))):
            planner.age[:] = age
            # Where the first step is behind it by arrival, the same holds; here nobody has arrived.
            subgoal_of(hierarchy, number)[:] = now + 100
            first = planner.candidates(torch.arange(B), now)
            assert first.shape[1] == known + count // 2 + 1
            retrieved, perturbed = first[:, 1 : known + 1], first[:, known + 1 :]
            assert torch.equal(retrieved.sort(1).values, stage.bank_macros[alike].sort(1).values)
            changed = perturbed - retrieved[:, : count // 2]
            assert 0 < changed.abs().amax() < (stage.level.high - stage.level.low).max(), "a little, within the range"
            assert torch.allclose(first[:, 0], last)
        planner.age[:] = 0
        subgoal_of(hierarchy, number)[:] = now
        first = planner.candidates(torch.arange(B), now)
        assert torch.allclose(first[:, 0], torch.cat([plan[:, 1:], plan[:, -1:]], 1)), "it is there before its time"


@torch.no_grad()
def test_a_lower_rollout_is_judged_as_the_level_above_sees_it(agent: Agent) -> None:
    """What leads to a state whose upper state is the subgoal costs nothing but the way; the encoder above decides."""
    hierarchy = begun(agent)
    now = encode_levels(hierarchy.stages, states(agent, 2))[1:]
    macros, above = torch.zeros(B, 1, 2, 3), hierarchy.stages[1]
    imagined = hierarchy.stages[0].bank_states[: 2 * B].view(B, 1, 2, -1)
    subgoal = above.level.encode(imagined[:, 0, -1])
    price = problem_of(hierarchy, 0, now[0], StateGoal(subgoal), TO_SUBGOAL).energy(imagined, macros)[:, 0]
    blocks = above.reachability.distance(above.level.encode(imagined[:, 0]), subgoal[:, None])
    assert blocks[:, -1].abs().max() < 1e-4
    assert torch.allclose(price, blocks.mean(1) + blocks[:, -1], atol=1e-2)


def test_what_level_1_does_is_for_the_subgoal(agent: Agent) -> None:
    """Its plan ends nearer to the subgoal that it was given than a plan made for another one does."""
    goal, here = {"pixels": rows(B, 1)}, {"pixels": rows(B, 2)}
    agent.reset(Task.reach(goal), seeds=range(B))
    decision = agent.decide(here, "plan")
    assert decision.above is not None
    stage, guidance = agent.modules.above[0], decision.above
    first = guidance.subgoal.leading
    other = replace(guidance, subgoal=StateGoal(first.flip(0)))
    agent.reset(Task.reach(goal), seeds=range(B))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent.subgoals, "command", lambda state: other)
        elsewhere = agent.decide(here, "plan")

    def price(plan: Plan) -> Tensor:
        with torch.no_grad():
            blocks = stage.reachability.distance(stage.level.encode(plan.states), first[:, None])
        return blocks.mean(1) + blocks[:, -1]

    assert (price(decision.plan) <= price(elsewhere.plan) + 1e-2).all()
    assert (price(decision.plan) < price(elsewhere.plan) - 1e-2).any()


@torch.no_grad()
def test_near_the_goal_level_1_is_on_its_own(agent: Agent) -> None:
    hierarchy = begun(agent)
    guidance = hierarchy.command(states(agent, 1))
    assert not guidance.guided.any()
    assert torch.equal(guidance.target.leading, hierarchy.goal.leading)
    assert not guidance.calls.any()


def test_a_shared_latent_keeps_its_goal(tmp_path: Path) -> None:
    """States above are then the very tensors below: nothing may be written into them."""
    agent = far_apart(retrain_hierarchy(tiny.three_level_run(), tiny.long_store(), tmp_path, {"encoder": "shared"}))
    with torch.no_grad():
        goal, here = states(agent, 1), states(agent, 2)
    kept = goal.clone(), here.clone()
    hierarchy = agent.subgoals
    assert isinstance(hierarchy, LearnedLevels)
    hierarchy.reset(StateGoal(goal), EpisodeGenerators(range(B)))
    with torch.no_grad():
        assert all(hierarchy.command(here).guided.any() for _ in range(3))
    assert torch.equal(goal, kept[0])
    assert torch.equal(here, kept[1])


@torch.no_grad()
def test_what_does_not_help_is_not_tried_for_ever(agent: Agent) -> None:
    hierarchy, here = begun(agent), states(agent, 2)
    first = hierarchy.command(here).plans[0].states[:, 0].clone()
    for _ in range(12):
        hierarchy.command(here)
    failed = hierarchy.planners[0].failed_plans
    assert (failed.held.sum(1) > 0).all(), "nothing came nearer, so plans were refused"
    now = encode_levels(hierarchy.stages, here)[1]
    assert (failed.cost(now, first[:, None], torch.arange(B)) > 0.5).all(), "the first one among them"
    hierarchy.reset(StateGoal(states(agent, 1)), EpisodeGenerators(range(B)))
    assert not failed.held.any(), "a new episode begins without prejudice"


@torch.no_grad()
def test_who_has_come_nearer_is_not_refused(agent: Agent) -> None:
    """Level 2 has gone all the way to its subgoal when level 3 sends it on: that the next one is far is not its fault."""
    hierarchy, here = begun(replanning(agent, reached=1e9)), states(agent, 2)
    hierarchy.command(here)
    # Wherever it stands now, the subgoal that it was sent to is here, and the next one is elsewhere.
    now = encode_levels(hierarchy.stages, states(agent, 3))[1:]
    subgoal_of(hierarchy, 1)[:] = now[1]
    hierarchy.planners[0].remaining[:] = 10.0
    hierarchy.command(states(agent, 3))
    further = hierarchy.stages[1].reachability.distance(now[1], subgoal_of(hierarchy, 1))
    assert (further > 0.5).all(), "level 3 has planned again"
    assert not hierarchy.planners[0].failed_plans.held.any()


@torch.no_grad()
def test_states_far_from_memory_cost(agent: Agent) -> None:
    hierarchy = begun(agent)
    hierarchy.command(states(agent, 2))
    now = encode_levels(hierarchy.stages, states(agent, 2))[1]
    problem = problem_of(hierarchy, 0, now, hierarchy.goals[0])
    macros = torch.zeros(B, 1, 2, 3)
    lived = agent.modules.above[0].bank_states[:1].expand(B, 1, 2, 12)
    strange = lived + 100
    blocks = [
        agent.modules.above[0].reachability.distance(each, hierarchy.goals[0].leading[:, None, None])
        for each in (lived, strange)
        for each in (lived, strange)
    ]
    prices = [problem.energy(each, macros)[:, 0] for each in (lived, strange)]
    alone = [each.mean(-1)[:, 0] + each[..., -1][:, 0] for each in blocks]
    assert torch.allclose(prices[0], alone[0], atol=1e-2), "what was lived costs nothing"
    assert (prices[1] - alone[1] > 10).all()


@torch.no_grad()
def test_ways_are_remembered_states_that_end_where_the_plan_does(agent: Agent) -> None:
    agent.reset(Task.reach({"pixels": rows(B, 1)}), seeds=range(B))
    assert agent.subgoals.waypoints() == ()
    agent.decide({"pixels": rows(B, 2)}, "plan")
    ways = agent.subgoals.waypoints()
    assert [tuple(way.shape) for way in ways] == [(B, 2, 16)] * 2
    for way, stage in zip(ways, agent.modules.above, strict=True):
        assert torch.cdist(way.flatten(0, 1), stage.bank_below).amin(1).max() < 0.05


def test_fewer_levels_of_the_same_weights(agent: Agent) -> None:
    shallow = with_effort(agent, max_levels=2)
    shallow.reset(Task.reach({"pixels": rows(B, 1)}), seeds=range(B))
    decision = shallow.decide({"pixels": rows(B, 2)}, "react")
    assert decision.above is not None
    assert len(decision.above.plans) == 1


@torch.no_grad()
def test_a_flat_agent_heads_for_the_goal_and_given_subgoals_are_obeyed_far_from_it(agent: Agent) -> None:
    goal, here, given = (states(agent, seed) for seed in (1, 2, 3))
    flat, fixed = NoSubgoals(), FixedSubgoals(agent.modules.above[0], agent.configuration.planner.upper)
    fixed.given = given
    for source in (flat, fixed):
        source.reset(StateGoal(goal), EpisodeGenerators(range(B)))
        assert source.waypoints() == ()
    command = flat.command(here)
    assert torch.equal(command.target.leading, goal)
    assert not command.guided.any()
    told, near = fixed.command(here), fixed.command(goal)
    assert told.guided.all()
    assert torch.equal(told.target.leading, given)
    assert torch.equal(told.subgoal.leading, agent.modules.above[0].level.encode(given)), (
        "in the space of the level that sets it"
    )
    assert not near.guided.any()
    assert torch.equal(near.target.leading, goal)
