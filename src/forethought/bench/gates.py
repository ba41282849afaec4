"""The gates of a hierarchy, level by level: what its states keep, and whether its distances fall along a true path.

When a closed loop fails, the first gate that is broken says where to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.bench.energy_map import rank_correlation
from forethought.bench.evaluation import ORACLE, Arena
from forethought.bench.probes import probe_levels
from forethought.bench.results import day_of, row
from forethought.bench.subgoals import encoded
from forethought.data.store import EpisodeStore
from forethought.durable import read_json, write_json
from forethought.learning.agent_files import load
from forethought.modules import climb
from forethought.worlds import registry
from forethought.worlds.rooms.world import RoomsWorld

RISE = 0.3
"""Blocks that a distance must rise, from one decision to the next, to count as a rise."""
Distance = Callable[[Tensor, Tensor], Tensor]


def gate_rows(
    world: str, runs: Sequence[Path], store: EpisodeStore, arena: Arena, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """One row per figure, level and training seed; kept in `RUN/gates.json`, where they are looked up first."""
    found = []
    for seed, run in zip(seeds, runs, strict=True):
        if not (run / "gates.json").exists():
            write_json(run / "gates.json", gates(load(run), store, arena))
        for level, figures in read_json(run / "gates.json", "gates").items():
            made = {"seeds": [seed], "date": day_of(run / "gates.json")}
            found += [row(world, level, name, value, **made) for name, value in figures.items()]
    return found


def gates(agent: Agent, store: EpisodeStore, arena: Arena) -> dict[str, dict[str, float]]:
    """Figures of each level, `level-1` first: `probe_NAME_r2`, `distance_rank_correlation`, `rises_along_true_path`."""
    found, stages = {}, agent.modules.above
    states, goals, true = true_paths(agent, arena)
    distances: list[Distance] = [agent.modules.critic.distance, *(stage.reach.distance for stage in stages)]
    probes = probe_levels(agent, store, len(distances))
    with torch.no_grad():
        seen = zip(distances, climb(stages, states), climb(stages, goals), strict=True)
        blocks = [distance(here, there.expand_as(here)).cpu().numpy().astype(np.float64) for distance, here, there in seen]
    for number, (kept, away) in enumerate(zip(probes, blocks, strict=True), 1):
        found[f"level-{number}"] = {f"probe_{name}_r2": value for name, value in kept.items()} | guidance(away, true)
    return found


@torch.no_grad()
def true_paths(agent: Agent, arena: Arena) -> tuple[Tensor, Tensor, NDArray[np.float64]]:
    """The expert's way in each task as the agent sees it: states [T, N, D] at decisions, goals [N, D], steps left [T, N]."""
    world = registry.make(arena.world, len(arena.tasks.tasks), **arena.options)
    assert isinstance(world, RoomsWorld), "the true path length is known in Rooms only"
    try:
        frame, expert = world.begin(arena.tasks.tasks), registry.policy(arena.world, ORACLE)
        expert.reset(world, [task.seed for task in arena.tasks.tasks])
        goals = encoded(agent, world.goal_observation())
        states, left = [], []
        for step in range(int(max(task.optimal_steps or 0 for task in arena.tasks.tasks))):
            if step % agent.configuration.body.block == 0:
                states.append(encoded(agent, frame.observation))
                left.append(world.route(world.goals).steps)
            frame = world.step(expert.act(world, frame))
    finally:
        world.close()
    return torch.stack(states), goals, np.stack(left)


def guidance(blocks: NDArray[np.float64], true: NDArray[np.float64]) -> dict[str, float]:
    """Whether distances [T, N] fall as true steps left [T, N] do; what is over (at the goal) does not count."""
    going = true > 0
    rises = (np.diff(blocks, axis=0) > RISE)[going[1:]]
    return {
        "distance_rank_correlation": rank_correlation(blocks[going], true[going]),
        "rises_along_true_path": float(rises.mean()),
    }
