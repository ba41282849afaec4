"""Subgoals from elsewhere: the expert's lie on the way, any lie anywhere, and both are obeyed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from forethought.evaluation.arena import make_arena
from forethought.evaluation.states import encode_observations
from forethought.worlds import registry
from forethought.worlds.tasks import make_tasks
from forethought_benchmarks.oracle_subgoals import OracleSubgoals, RandomSubgoals, SubgoalController

TASKS = make_tasks(tiny.ROOMS, tiny.OPTIONS, 6, 3)
SEEDS = [task.seed for task in TASKS.tasks]


def test_the_oracle_knows_where_the_expert_will_be() -> None:
    agent = tiny.three_level_agent()
    world = registry.make(tiny.ROOMS, 6, **tiny.OPTIONS)
    frame, expert = world.begin(TASKS.tasks), registry.policy(tiny.ROOMS, "expert")
    before = np.array(world.position)
    ahead = OracleSubgoals()(world, frame, agent)
    np.testing.assert_array_equal(world.position, before), "the world itself stands still"
    expert.reset(world, SEEDS)
    for _ in range(agent.modules.above[0].span * agent.configuration.data.block):
        frame = world.step(expert.act(world, frame))
    assert torch.allclose(ahead, encode_observations(agent, frame.observation), atol=1e-5)


def test_the_oracle_keeps_what_has_been_done() -> None:
    """A key in hand is still in hand when the world is played on from there."""
    options = {"layout": "trip", "doors": "fixed", "keys": 3}
    agent, world = tiny.three_level_agent(), registry.make(tiny.ROOMS, 4, **options)
    tasks = make_tasks(tiny.ROOMS, options, 4, 3, "far-room").tasks
    frame, expert, oracle = world.begin(tasks), registry.policy(tiny.ROOMS, "expert"), OracleSubgoals()
    expert.reset(world, [task.seed for task in tasks])
    span = agent.modules.above[0].span * agent.configuration.data.block
    for _ in range(60):
        frame = world.step(expert.act(world, frame))
    assert world.keys.held.any(), "the expert has fetched keys by now"
    ahead = oracle(world, frame, agent)
    for _ in range(span):
        frame = world.step(expert.act(world, frame))
    assert torch.allclose(ahead, encode_observations(agent, frame.observation), atol=1e-5)


def test_the_oracle_looks_ahead_in_mazes_too() -> None:
    pytest.importorskip("ogbench")
    name, options = "ogbench/pointmaze-medium-v0", {"streams": ["proprioception"]}
    tasks, world = make_tasks(name, options, 3, 1), registry.make(name, 3, **options)
    frame, expert, oracle = world.begin(tasks.tasks), registry.policy(name, "expert"), OracleSubgoals()
    expert.reset(world, [0] * 3)
    frame = world.step(expert.act(world, frame))
    before = frame.truth["state"].copy()
    spare, there = oracle._copy_of(world, frame)
    np.testing.assert_allclose(there.truth["state"], before, atol=1e-6)
    assert [task.goal for task in spare.tasks] == [task.goal for task in tasks.tasks]
    assert oracle._copy_of(world, frame)[0] is spare
    oracle.close()
    world.close()


def test_random_subgoals_are_remembered_states() -> None:
    agent, world, source = tiny.three_level_agent(), registry.make(tiny.ROOMS, 6, **tiny.OPTIONS), RandomSubgoals(0)
    frame = world.begin(TASKS.tasks)
    first, second = (source(world, frame, agent) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.cdist(first, agent.modules.above[0].bank_below).amin(1).max() < 0.05


@pytest.mark.parametrize("mode", ["plan", "react"])
def test_level_1_obeys_what_is_given(mode: str) -> None:
    agent = tiny.three_level_agent()
    for stage in agent.modules.above:
        stage.reachability.ends[-1].weight.mul_(50.0)
    asked = []

    def source(world: object, frame: object, agent: object) -> torch.Tensor:
        asked.append(1)
        return torch.zeros(6, 16)

    controller = SubgoalController(agent, mode, source)
    outcomes = make_arena(tiny.ROOMS, tiny.OPTIONS, TASKS).run(controller)
    assert outcomes.calls[1:] == (0,)
    assert len(asked) == max(task.budget for task in TASKS.tasks) // (5 * agent.modules.above[0].span)
    above = agent.plan_of_record.above
    assert above is not None
    assert torch.allclose(above.subgoal.leading, agent.modules.above[0].level.encode(torch.zeros(6, 16)))
