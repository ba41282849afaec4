"""What an agent refuses: wrong shapes and numbers, NaN, damaged weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from agent_fixtures import AGENTS, B, Observations, one, see
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.types import Task


def test_without_a_task_there_is_nothing_to_do() -> None:
    agent = tiny.point_agent(False)
    for ask in (agent.act, agent.decide):
        with pytest.raises(ForethoughtError, match=r"no task yet: call agent\.reset"):
            ask(one(see(agent, 1), 0))


@pytest.mark.parametrize(
    ("goal", "sentence"),
    [
        ({"proprioception": np.zeros(3, np.float32)}, r"has shape \[3\].*trained on \[4\]"),
        ({"proprioception": np.zeros((2, 2, 4), np.float32)}, r"goal.*one item or \[B"),
        ({}, "no 'proprioception' stream"),
    ],
)
def test_a_goal_of_the_wrong_shape_is_refused(goal: Observations, sentence: str) -> None:
    agent = tiny.point_agent(False)
    with pytest.raises(ForethoughtError, match=sentence):
        agent.reset(Task.reach(goal), seed=0)
    with pytest.raises(ForethoughtError, match="no task yet"):
        agent.act(one(see(agent, 1), 0))


def test_nan_in_an_observation_or_a_goal_is_refused() -> None:
    agent = tiny.point_agent(False)
    bad = {"proprioception": np.array([0, np.nan, 0, 0], np.float32)}
    with pytest.raises(NonFiniteError, match="NaN or infinity"):
        agent.reset(Task.reach(bad), seed=0)
    agent.reset(Task.reach(one(see(agent, 1), 0)), seed=0)
    with pytest.raises(NonFiniteError, match=r"'proprioception' .* index \[1\]"):
        agent.act(bad)
    assert agent.memory.filled == 0, "what was refused is not remembered"


def test_wrong_numbers_of_seeds_and_observations_are_refused() -> None:
    agent = tiny.point_agent(False)
    with pytest.raises(ForethoughtError, match="5 goals need 5 seeds, not 2"):
        agent.reset(Task.reach(see(agent, B)), seeds=[1, 2])
    agent.reset(Task.reach(see(agent, B)), seed=0)
    with pytest.raises(ForethoughtError, match="5 episodes are in progress, but 3 observations"):
        agent.decide(see(agent, 3), "plan")


@pytest.mark.parametrize("kind", AGENTS)
def test_a_reset_that_is_refused_leaves_the_episodes_as_they_are(kind: str) -> None:
    """A goal of one item is turned down while B episodes run, and the other way round."""
    goals, now = see(AGENTS[kind](), B, 1), see(AGENTS[kind](), B, 2)
    many, single = (goals, now), (one(goals, 0), one(now, 0))
    for (goal, seen), (other, _), wanted in ((many, single, 1), (single, many, B)):
        played = []
        for refused in (False, True):
            agent = AGENTS[kind]()
            agent.reset(Task.reach(goal), seed=3)
            agent.act(seen, "react")
            if refused:
                with pytest.raises(ForethoughtError, match=f"need {wanted} seeds, not 7"):
                    agent.reset(Task.reach(other), seeds=range(7))
                with pytest.raises(ForethoughtError, match="has no"):
                    agent.reset(Task.reach({"nothing": np.zeros(1)}))
            played.append([agent.act(seen, "react") for _ in range(agent.configuration.data.block)])
        np.testing.assert_array_equal(*played)


def test_damaged_weights_are_told() -> None:
    agent = tiny.point_agent(False)
    with torch.no_grad():
        agent.modules.world_model.perception.fuse.weight[0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match="state of the goal is NaN"):
        agent.reset(Task.reach(see(agent, 1)), seed=0)
