"""Cost map: cost of each position in a room for one goal, by latent distance, by the critic and by the upper levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.actor.landmark_graph import Aim, LandmarkGraph
from forethought.agent import Agent
from forethought.agent_networks import encode_levels
from forethought.cost.contract import Cost, Imagined
from forethought.cost.goal import GoalDistance
from forethought.evaluation.arena import Arena
from forethought.evaluation.position_grid import Places
from forethought.evaluation.states import encode_observations
from forethought.evaluation.statistics import rank_correlation
from forethought.goals import StateGoal
from forethought.perception import to_tensors
from forethought.planning import LandmarkSubgoals, LearnedLevels
from forethought.types import PIXELS
from forethought.worlds import registry
from forethought.worlds.rooms.world import RoomsWorld


@dataclass(frozen=True)
class EnergyMap:
    """Costs of all grid positions for the goal of one task.

    Fields:
        grids: name of the cost -> [G, G], rows are y and columns x; NaN inside walls.
        guidance: name -> Spearman correlation of the cost with the true path length over all positions outside walls.
        extent: (left, right, top, bottom), pixels.
        background: uint8 [h, w, 3], picture of the goal. goal: (x, y), pixels.
    """

    grids: dict[str, NDArray[np.float64]]
    guidance: dict[str, float]
    extent: tuple[float, float, float, float]
    background: NDArray[np.uint8]
    goal: tuple[float, float]


@torch.no_grad()
def energy_map(agent: Agent, arena: Arena, number: int) -> EnergyMap:
    """Cost map of task `number`, with the agent put on each position of a grid in the layout of that task.

    Needs an environment whose true state is a position in its picture (Rooms). The latent distance is omitted if a goal
    contains only part of the observation, because goal states and observed states are then not comparable.
    """
    task, places = arena.tasks.tasks[number], Places.over(agent)
    world = registry.make(arena.world, len(places.points), **arena.options)
    assert isinstance(world, RoomsWorld)
    try:
        frame, outside = places.stand(world, task)
        goal_observation, goal_picture = world.goal_observation(), world.seen_from(world.goals)[PIXELS][0]
        path = world.route(world.goals).steps
    finally:
        world.close()
    body = agent.configuration.data
    states = encode_observations(agent, frame.observation)
    goal_streams: dict[str, NDArray[Any]] = {stream.name: goal_observation[stream.name][:1] for stream in body.goal_streams}
    goal = agent.modules.world_model.encode(to_tensors(goal_streams, body.goal_streams, agent.device))
    imagined = Imagined(states[None, :, None], states.new_zeros(1, len(states), 1, body.block_size))
    costs: dict[str, Cost] = {} if body.goals else {"latent distance": GoalDistance()}
    costs["critic"] = agent.modules.critic
    values = {name: cost(imagined, StateGoal(goal))[0, :, 0] for name, cost in costs.items()} | _upper_level_costs(
        agent, states, goal
    )
    grids, guidance = {}, {}
    for name, blocks in values.items():
        energies = blocks.cpu().numpy().astype(np.float64)
        guidance[name] = rank_correlation(energies[~outside], path[~outside])
        grids[name] = places.picture(energies, outside)
    background = goal_observation[PIXELS][0] if PIXELS in goal_observation else goal_picture
    return EnergyMap(grids, guidance, places.extent, background, (task.goal[0], task.goal[1]))


def _upper_level_costs(agent: Agent, states: Tensor, goal: Tensor) -> dict[str, Tensor]:
    """Distance in blocks from states [G, D] to one goal [1, D] at each upper level, [G] each."""
    source = agent.subgoals
    costs = {}
    if isinstance(source, LandmarkSubgoals):
        costs["path over landmarks"] = _landmark_path_length(source.graph, states, goal)
    stages = source.stages if isinstance(source, LearnedLevels) else []
    for number, (stage, upper_states, upper_goal) in enumerate(
        zip(stages, encode_levels(stages, states)[1:], encode_levels(stages, goal)[1:], strict=True), 2
    ):
        costs[f"level {number}"] = stage.reachability.distance(upper_states, upper_goal.expand_as(upper_states))
    return costs


def _landmark_path_length(graph: LandmarkGraph, states: Tensor, goal: Tensor) -> Tensor:
    """Length in blocks of the shortest path over landmarks from states [G, D] to one goal [1, D], [G]."""
    aim = graph.aim(goal)
    expanded = Aim(*(part.expand(len(states), -1) for part in (aim.goal, aim.last, aim.total)))
    return graph.route(states, expanded, states.new_zeros(len(states), len(graph.landmarks) + 1)).energy
