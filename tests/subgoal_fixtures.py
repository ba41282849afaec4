"""What the tests of learned levels share: observations, states, and what one level's planner is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import tiny
from agent_fixtures import changed
from forethought.actor.contract import PlanningProblem
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent import Agent
from forethought.cost.composition import Weights
from forethought.goals import EncodedGoal, StateGoal
from forethought.planning import LearnedLevels, Scenarios
from forethought.planning.levels import TO_GOAL
from forethought.world_model.level import Context

B = 4


def rows(count: int, seed: int) -> np.ndarray:
    store = tiny.long_store()
    return store.rows("pixels", np.random.default_rng(seed).integers(0, store.num_rows, count))


def states(agent: Agent, seed: int) -> Tensor:
    return agent.modules.world_model.encode({"pixels": torch.from_numpy(rows(B, seed))})


def far_apart(agent: Agent, factor: float = 50.0) -> Agent:
    """Distances so long that every level has something to do (this agent thinks everything near)."""
    for stage in agent.modules.above:
        stage.reachability.ends[-1].weight.mul_(factor)
    return agent


def replanning(agent: Agent, **settings: float) -> Agent:
    """The same weights, and other thresholds of when a plan is over, also such as are never or always met."""
    return changed(agent, planner={"replanning": settings})


def begun(agent: Agent) -> LearnedLevels:
    assert isinstance(agent.subgoals, LearnedLevels)
    agent.subgoals.reset(StateGoal(states(agent, 1)), EpisodeGenerators(range(B)))
    return agent.subgoals


def problem_of(
    levels: LearnedLevels,
    number: int,
    state: Tensor,
    goal: EncodedGoal,
    task: dict[str, float] = TO_GOAL,
    scenarios: Scenarios | None = None,
) -> PlanningProblem:
    """What one level's planner is given for all episodes."""
    planner, everyone = levels.planners[number], torch.arange(B)
    context = Context(state[:, None], state.new_zeros(B, 0, len(planner.level.low)))
    cost = planner.cost(everyone, state, goal, Weights(task=task), scenarios)
    return planner.problem(everyone, context, cost, scenarios)


def subgoal_of(levels: LearnedLevels, number: int) -> Tensor:
    """The first state of a level's plan, [B, D]; may be written to."""
    return levels.planners[number].plan.states[:, 0]


def with_effort(agent: Agent, **upper: Any) -> Agent:
    """The same weights, and other settings of how the levels above the first plan."""
    return Agent(agent.configuration.changed({"planner.upper": upper}, "to see"), agent.modules, agent.device)


def assert_alone_as_together(agent: Agent) -> None:
    """Each episode by itself plans, polished, as beside the others."""
    deep, goals, here = with_effort(agent, search={"gradient_steps": 3}), states(agent, 1), states(agent, 2)
    together = begun(deep).command(here)
    alone = LearnedLevels(deep.modules.above, deep.configuration)
    for row in range(B):
        alone.reset(StateGoal(goals[row : row + 1]), EpisodeGenerators([row]))
        for ours, theirs in zip(alone.command(here[row : row + 1]).plans, together.plans, strict=True):
            assert torch.allclose(ours.actions[0], theirs.actions[row], atol=1e-3)
            assert torch.allclose(ours.states[0], theirs.states[row], atol=1e-3)
