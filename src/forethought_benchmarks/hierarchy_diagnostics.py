"""The gates of a hierarchy, level by level: what its states keep, and whether its distances are true.

They should fall along the expert's path, and be as long as the way is, also between places with a wall between them.

When a closed loop fails, the first gate that is broken says where to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.agent_networks import encode_levels
from forethought.cost.critic import discounted_count
from forethought.data.store import EpisodeStore
from forethought.evaluation.evaluate import ORACLE, Arena
from forethought.evaluation.position_grid import MARGIN
from forethought.evaluation.probes import probe_levels
from forethought.evaluation.result_rows import day_of, row
from forethought.evaluation.states import encode_observations
from forethought.evaluation.statistics import rank_correlation
from forethought.training.agent_files import load
from forethought.worlds import registry
from forethought.worlds.painting import SIZE
from forethought.worlds.rooms.world import RoomsWorld
from forethought.worlds.tasks import digest, make_tasks
from forethought_benchmarks.cached_experiments import kept

RISE = 0.3
"""Blocks that a distance must rise, from one decision to the next, to count as a rise."""
PAIRS, PAIR_SEED, NEAR = 1000, 909, 14.0
"""Pairs of places, and how far apart they are at most on each axis, in pixels."""
OPEN, ROUND, MORE = 1.1, 1.5, 2.0
"""The way is at most so many times the straight one in the open, at least so many times and `MORE` blocks more round a wall."""
Distance = Callable[[Tensor, Tensor], Tensor]


def gate_rows(
    world: str, runs: Sequence[Path], store: EpisodeStore, arena: Arena, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """One row per figure, level and training seed; looked up in `RUN/gates.json` first, which keeps the last tasks' figures."""
    found = []
    for seed, run in zip(seeds, runs, strict=True):
        measure = partial(_gates_of, run, store, arena)
        for level, figures in kept(run / "gates.json", digest(arena.tasks), measure).items():
            made = {"seeds": [seed], "date": day_of(run / "gates.json")}
            found += [row(world, level, name, value, **made) for name, value in figures.items()]
    return found


def _gates_of(run: Path, store: EpisodeStore, arena: Arena) -> dict[str, dict[str, float]]:
    return gates(load(run), store, arena)


def gates(agent: Agent, store: EpisodeStore, arena: Arena) -> dict[str, dict[str, float]]:
    """Figures of each level, `level-1` first: `probe_NAME_r2`, and what `guidance` and `shares` give."""
    found, stages = {}, agent.modules.above
    states, goals, true = true_paths(agent, arena)
    distances: list[Distance] = [agent.modules.critic.distance, *(stage.reach.distance for stage in stages)]
    probes = probe_levels(agent, store, len(distances))

    def measured(here: Tensor, there: Tensor) -> list[NDArray[np.float64]]:
        """Level by level, in blocks."""
        seen = zip(distances, encode_levels(stages, here), encode_levels(stages, there.expand_as(here)), strict=True)
        return [distance(*pair).cpu().numpy().astype(np.float64) for distance, *pair in seen]

    start, near, way, straight = true_pairs(agent, arena)
    with torch.no_grad():
        along, between = measured(states, goals), measured(start, near)
    # The critic counts blocks at a discount.
    owed = [discounted_count(torch.from_numpy(way), agent.configuration.model.discount).numpy(), *(way for _ in stages)]
    for number, (probed, away, apart, true_way) in enumerate(zip(probes, along, between, owed, strict=True), 1):
        figures = {f"probe_{name}_r2": value for name, value in probed.items()} | guidance(away, true)
        found[f"level-{number}"] = figures | shares(apart / true_way, way, straight)
    return found


@torch.no_grad()
def true_pairs(agent: Agent, arena: Arena) -> tuple[Tensor, Tensor, NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of places near each other: states and goals [P, D], the way between them and the straight one, in blocks [P]."""
    drawn = np.random.default_rng(PAIR_SEED)
    tasks = make_tasks(arena.world, arena.options, PAIRS, PAIR_SEED).tasks
    aims = np.array([task.start[:2] for task in tasks if task.start]) + drawn.uniform(-NEAR, NEAR, (PAIRS, 2))
    aims = aims.clip(MARGIN, SIZE - MARGIN)
    world = registry.make(arena.world, PAIRS, **arena.options)
    assert isinstance(world, RoomsWorld), "the true path length is known in Rooms only"
    try:
        frame = world.begin([replace(task, goal=(x, y)) for task, (x, y) in zip(tasks, aims.tolist(), strict=True)])
        states, goals = encode_observations(agent, frame.observation), encode_observations(agent, world.goal_observation())
        block = agent.configuration.data.block
        straight = np.abs(world.position - world.goals).max(1) / world.plan.speed / block
        way = world.route(world.goals).steps / block
    finally:
        world.close()
    apart = np.isfinite(way) & (way > 1)
    rows = torch.from_numpy(np.flatnonzero(apart)).to(states.device)
    return states[rows], goals[rows], way[apart], straight[apart]


@torch.no_grad()
def true_paths(agent: Agent, arena: Arena) -> tuple[Tensor, Tensor, NDArray[np.float64]]:
    """The expert's way in each task as the agent sees it: states [T, N, D] at decisions, goals [N, D], steps left [T, N]."""
    world = registry.make(arena.world, len(arena.tasks.tasks), **arena.options)
    assert isinstance(world, RoomsWorld), "the true path length is known in Rooms only"
    try:
        frame, expert = world.begin(arena.tasks.tasks), registry.policy(arena.world, ORACLE)
        expert.reset(world, [task.seed for task in arena.tasks.tasks])
        goals = encode_observations(agent, world.goal_observation())
        states, left = [], []
        for step in range(int(max(task.optimal_steps or 0 for task in arena.tasks.tasks))):
            if step % agent.configuration.data.block == 0:
                states.append(encode_observations(agent, frame.observation))
                left.append(world.route(world.goals).steps)
            frame = world.step(expert.act(world, frame))
    finally:
        world.close()
    return torch.stack(states), goals, np.stack(left)


def shares(ratio: NDArray[np.float64], way: NDArray[np.float64], straight: NDArray[np.float64]) -> dict[str, float]:
    """How long distances are, as a share of the true way ([P], 1 at best), where nothing and where a wall stands between."""
    kinds = {"in_the_open": way <= OPEN * straight, "round_walls": (way >= ROUND * straight) & (way >= straight + MORE)}
    return {f"distance_{name}": float(ratio[rows].mean()) for name, rows in kinds.items() if rows.any()}


def guidance(blocks: NDArray[np.float64], true: NDArray[np.float64]) -> dict[str, float]:
    """Whether distances [T, N] fall as true steps left [T, N] do; what is over (at the goal) does not count."""
    going = true > 0
    rises = (np.diff(blocks, axis=0) > RISE)[going[1:]]
    return {
        "distance_rank_correlation": rank_correlation(blocks[going], true[going]),
        "rises_along_true_path": float(rises.mean()),
    }
