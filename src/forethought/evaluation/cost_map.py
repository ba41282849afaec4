"""The energy over a room as seen from a goal: what each place costs by latent distance, the critic and the levels above."""

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
from forethought.evaluation.evaluate import Arena
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
    """One task's energy over positions.

    Fields:
        grids: name -> [G, G], rows are y and columns x; NaN inside walls.
        guidance: name -> Spearman correlation of the energy with the true path length over all places (1: a perfect guide).
        extent: (left, right, top, bottom), pixels.
        background: uint8 [h, w, 3], the goal's picture. goal: (x, y).
    """

    grids: dict[str, NDArray[np.float64]]
    guidance: dict[str, float]
    extent: tuple[float, float, float, float]
    background: NDArray[np.uint8]
    goal: tuple[float, float]


@torch.no_grad()
def energy_map(agent: Agent, arena: Arena, number: int) -> EnergyMap:
    """The map of task `number`: the agent is put on a grid of places in that task's own layout.

    Needs a world whose true state is a position in its picture (Rooms). Latent distance is left out where a goal shows a
    part of what is seen: it would compare that with a whole.
    """
    task, places = arena.tasks.tasks[number], Places.over(agent)
    world = registry.make(arena.world, len(places.points), **arena.options)
    assert isinstance(world, RoomsWorld)
    try:
        frame, outside = places.stand(world, task)
        shown, there = world.goal_observation(), world.seen_from(world.goals)[PIXELS][0]
        path = world.route(world.goals).steps
    finally:
        world.close()
    body = agent.configuration.data
    states = encode_observations(agent, frame.observation)
    wanted: dict[str, NDArray[Any]] = {stream.name: shown[stream.name][:1] for stream in body.goal_streams}
    goal = agent.modules.world_model.encode(to_tensors(wanted, body.goal_streams, agent.device))
    imagined = Imagined(states[None, :, None], states.new_zeros(1, len(states), 1, body.block_size))
    costs: dict[str, Cost] = {} if body.goals else {"latent distance": GoalDistance()}
    costs["critic"] = agent.modules.critic
    values = {name: cost(imagined, StateGoal(goal))[0, :, 0] for name, cost in costs.items()} | _above(agent, states, goal)
    grids, guidance = {}, {}
    for name, blocks in values.items():
        energies = blocks.cpu().numpy().astype(np.float64)
        guidance[name] = rank_correlation(energies[~outside], path[~outside])
        grids[name] = places.picture(energies, outside)
    background = shown[PIXELS][0] if PIXELS in shown else there
    return EnergyMap(grids, guidance, places.extent, background, (task.goal[0], task.goal[1]))


def _above(agent: Agent, states: Tensor, goal: Tensor) -> dict[str, Tensor]:
    """Blocks from states [G, D] to one goal [1, D] as each level above counts them, [G] each."""
    source = agent.subgoals
    found = {}
    if isinstance(source, LandmarkSubgoals):
        found["way over landmarks"] = _along_landmarks(source.graph, states, goal)
    stages = source.stages if isinstance(source, LearnedLevels) else []
    for number, (stage, here, there) in enumerate(
        zip(stages, encode_levels(stages, states)[1:], encode_levels(stages, goal)[1:], strict=True), 2
    ):
        found[f"level {number}"] = stage.reach.distance(here, there.expand_as(here))
    return found


def _along_landmarks(graph: LandmarkGraph, states: Tensor, goal: Tensor) -> Tensor:
    """Blocks from states [G, D] to one goal [1, D] as the level above counts them, [G]."""
    aim = graph.aim(goal)
    everywhere = Aim(*(part.expand(len(states), -1) for part in (aim.goal, aim.last, aim.total)))
    return graph.route(states, everywhere, states.new_zeros(len(states), len(graph.landmarks) + 1)).energy
