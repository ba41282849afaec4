"""Whether world model and cost know a way when they see it: recorded plans that reach a goal, ranked among others.

A plan that was recorded reaches its goal. Others, recorded elsewhere, mostly don't. An agent can plan if its imagined cost puts
the plan that reaches the goal before the others. Where it doesn't, the cost along the observed states tells whether the world
model or the cost is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.registry import make_planner
from forethought.agent import Agent
from forethought.cost.composition import Weights
from forethought.data.store import EpisodeStore
from forethought.evaluation.states import encode_observations
from forethought.goals import StateGoal
from forethought.planning.level_planner import planning_problem
from forethought.planning.levels import first_level
from forethought.planning.planning_cost import PlanningCost
from forethought.world_model.level import Context

PAIRS, SLACK = 64, 0.1
"""Number of goals; tolerance of the search, in standard deviations of the cost over the plans."""
COSTS = ("critic", "goal_distance")
"""Task costs that are tried alone, beside the agent's own registered ones."""


@dataclass(frozen=True)
class PlanRanking:
    """Shares of other plans that look better than the recorded one; 0.5 is chance, 0 is perfect.

    Fields:
        blocks: length of the plans.
        imagined: by the cost of imagined states. observed: by the cost of the recorded plan's observed states.
        by_cost: name of a task cost alone -> `imagined` with it.
        search: share of the goals for which the search finds no plan that costs as little as the recorded one, within `SLACK`.
    """

    blocks: int
    imagined: float
    observed: float
    by_cost: Mapping[str, float]
    search: float


@torch.no_grad()
def rank_plans(agent: Agent, store: EpisodeStore) -> PlanRanking | None:
    """Rank on held-out episodes; None where they are short, for several levels, futures or partial goals."""
    configuration = agent.configuration
    past, planner = configuration.model.predictor.context - 1, configuration.planner
    if configuration.model.hierarchy.levels > 1 or configuration.data.goals or configuration.model.stochastic:
        return None
    blocks = int(min(planner.horizon, np.median(store.lengths[store.heldout]) - past))
    if blocks < 1:
        return None
    generator = np.random.default_rng(0)
    episodes = generator.choice(store.heldout[store.lengths[store.heldout] >= past + blocks], PAIRS)
    clips = store.clips(episodes, generator.integers(0, store.lengths[episodes] - past - blocks + 1), past + blocks)
    states = encode_observations(agent, clips.observation)
    actions = agent.body.to_model(torch.from_numpy(clips.actions).to(agent.device))
    context, goal = Context(states[:, : past + 1], actions[:, :past]), StateGoal(states[:, -1])
    level = first_level(agent.modules, agent.body)
    plans = actions[:, past:]
    # Every pair tries the plans of all pairs; its own is on the diagonal.
    tried = plans[None].expand(len(plans), -1, -1, -1)
    rollouts = level.model.rollout(context, tried)

    def cost_of(weights: Weights) -> PlanningCost:
        return PlanningCost(level.terms, weights, goal)

    own = Weights.of(planner.cost)
    costs = cost_of(own)(rollouts, tried)
    observed = cost_of(own)(states[:, None, past + 1 :], plans[:, None])[:, 0]
    search = make_planner(planner.search, blocks)
    streams = EpisodeGenerators(range(len(plans)), agent.device)
    found = search.plan(planning_problem(level, context, cost_of(own), None, streams))
    singles = {name: replace(own, task={name: 1.0}, extra={}) for name in COSTS}
    singles |= {name: replace(own, task={}, extra={name: 1.0}) for name, weight in own.extra.items() if weight}
    alone = {name: cost_of(weights)(rollouts, tried) for name, weights in singles.items()}
    recorded = costs.diagonal()
    return PlanRanking(
        blocks,
        share_before(costs, recorded),
        share_before(costs, observed),
        {name: share_before(table, table.diagonal()) for name, table in alone.items()},
        float((found.energy > recorded + SLACK * costs.std(1)).double().mean()),
    )


def share_before(costs: Tensor, of: Tensor) -> float:
    """Mean share of the other plans, off the diagonal of [M, M], that cost less than `of` [M]; a tie is half."""
    others = ~torch.eye(len(costs), dtype=torch.bool, device=costs.device)
    before = (costs < of[:, None]).double() + 0.5 * (costs == of[:, None]).double()
    return float(before[others].mean())
