"""Diagnostics of a hierarchy, level by level: linear probes of its states, and accuracy of its distances.

A level's distance should fall along the expert's path and equal the true path length, also across a wall. If the closed loop
fails, the first level with bad figures is the likely cause.
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
from forethought.evaluation.arena import ORACLE, Arena
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
"""Minimum increase of a distance between two decisions that counts as a rise, in blocks."""
PAIRS, PAIR_SEED, NEAR = 1000, 909, 14.0
"""Number of pairs of positions, their seed, and their maximum distance on each axis in pixels."""
OPEN, ROUND, MORE = 1.1, 1.5, 2.0
"""A path is open if it is at most `OPEN` times the straight length; it goes round a wall if it is at least `ROUND` times and
`MORE` blocks longer."""
Distance = Callable[[Tensor, Tensor], Tensor]


def gate_rows(
    world: str, runs: Sequence[Path], store: EpisodeStore, arena: Arena, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """One row per figure, level and training seed; cached in `RUN/gates.json` for the last set of tasks."""
    lines = []
    for seed, run in zip(seeds, runs, strict=True):
        measure = partial(_gates_of, run, store, arena)
        for level, figures in kept(run / "gates.json", digest(arena.tasks), measure).items():
            made = {"seeds": [seed], "date": day_of(run / "gates.json")}
            lines += [row(world, level, name, value, **made) for name, value in figures.items()]
    return lines


def _gates_of(run: Path, store: EpisodeStore, arena: Arena) -> dict[str, dict[str, float]]:
    return gates(load(run), store, arena)


def gates(agent: Agent, store: EpisodeStore, arena: Arena) -> dict[str, dict[str, float]]:
    """Figures of each level, `level-1` first: `probe_NAME_r2`, and the figures of `guidance` and `shares`."""
    figures_of, stages = {}, agent.modules.above
    states, goals, true = true_paths(agent, arena)
    distances: list[Distance] = [agent.modules.critic.distance, *(stage.reachability.distance for stage in stages)]
    probes = probe_levels(agent, store, len(distances))

    def measured(start: Tensor, goal: Tensor) -> list[NDArray[np.float64]]:
        """Distance of each level, in blocks."""
        levels = zip(distances, encode_levels(stages, start), encode_levels(stages, goal.expand_as(start)), strict=True)
        return [distance(*pair).cpu().numpy().astype(np.float64) for distance, *pair in levels]

    start, target, length, straight = true_pairs(agent, arena)
    with torch.no_grad():
        along_paths, between_pairs = measured(states, goals), measured(start, target)
    # The critic's distance is a discounted count of blocks.
    discounted = discounted_count(torch.from_numpy(length), agent.configuration.model.discount).numpy()
    targets = [discounted, *(length for _ in stages)]
    for number, (probed, along, between, expected) in enumerate(
        zip(probes, along_paths, between_pairs, targets, strict=True), 1
    ):
        figures = {f"probe_{name}_r2": value for name, value in probed.items()} | guidance(along, true)
        figures_of[f"level-{number}"] = figures | shares(between / expected, length, straight)
    return figures_of


@torch.no_grad()
def true_pairs(agent: Agent, arena: Arena) -> tuple[Tensor, Tensor, NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of near positions: states and goals [P, D], path length and straight length in blocks [P]."""
    generator = np.random.default_rng(PAIR_SEED)
    tasks = make_tasks(arena.world, arena.options, PAIRS, PAIR_SEED).tasks
    targets = np.array([task.start[:2] for task in tasks if task.start]) + generator.uniform(-NEAR, NEAR, (PAIRS, 2))
    targets = targets.clip(MARGIN, SIZE - MARGIN)
    world = registry.make(arena.world, PAIRS, **arena.options)
    assert isinstance(world, RoomsWorld), "the true path length is known in Rooms only"
    try:
        frame = world.begin([replace(task, goal=(x, y)) for task, (x, y) in zip(tasks, targets.tolist(), strict=True)])
        states, goals = encode_observations(agent, frame.observation), encode_observations(agent, world.goal_observation())
        block = agent.configuration.data.block
        straight = np.abs(world.position - world.goals).max(1) / world.plan.speed / block
        length = world.route(world.goals).steps / block
    finally:
        world.close()
    valid = np.isfinite(length) & (length > 1)
    rows = torch.from_numpy(np.flatnonzero(valid)).to(states.device)
    return states[rows], goals[rows], length[valid], straight[valid]


@torch.no_grad()
def true_paths(agent: Agent, arena: Arena) -> tuple[Tensor, Tensor, NDArray[np.float64]]:
    """The expert's path in each task: encoded states [T, N, D] at decisions, goals [N, D], remaining steps [T, N]."""
    world = registry.make(arena.world, len(arena.tasks.tasks), **arena.options)
    assert isinstance(world, RoomsWorld), "the true path length is known in Rooms only"
    try:
        frame, expert = world.begin(arena.tasks.tasks), registry.policy(arena.world, ORACLE)
        expert.reset(world, [task.seed for task in arena.tasks.tasks])
        goals = encode_observations(agent, world.goal_observation())
        states, remaining = [], []
        for step in range(int(max(task.optimal_steps or 0 for task in arena.tasks.tasks))):
            if step % agent.configuration.data.block == 0:
                states.append(encode_observations(agent, frame.observation))
                remaining.append(world.route(world.goals).steps)
            frame = world.step(expert.act(world, frame))
    finally:
        world.close()
    return torch.stack(states), goals, np.stack(remaining)


def shares(ratio: NDArray[np.float64], way: NDArray[np.float64], straight: NDArray[np.float64]) -> dict[str, float]:
    """Mean ratio [P] of the distance to the true path length (1 is best), for open paths and for paths round a wall."""
    kinds = {"in_the_open": way <= OPEN * straight, "round_walls": (way >= ROUND * straight) & (way >= straight + MORE)}
    return {f"distance_{name}": float(ratio[rows].mean()) for name, rows in kinds.items() if rows.any()}


def guidance(blocks: NDArray[np.float64], true: NDArray[np.float64]) -> dict[str, float]:
    """Agreement of distances [T, N] with the true remaining steps [T, N], over the steps before the goal is reached."""
    underway = true > 0
    rises = (np.diff(blocks, axis=0) > RISE)[underway[1:]]
    return {
        "distance_rank_correlation": rank_correlation(blocks[underway], true[underway]),
        "rises_along_true_path": float(rises.mean()),
    }
