"""`hierarchy`: long ways in OGBench's mazes, from state, by its own tasks and budgets: one level against two.

The weights are the same; the flat agent goes without the level above, and searches as hard below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forethought.bench.evaluation import make_arena
from forethought.bench.results import write_results
from forethought.bench.units import Variant, paired_row, scores_of, success_rows, trained
from forethought.data.collection import collect
from forethought.learning.agent_files import load
from forethought.worlds.pointmaze import standard_tasks

NAME, TASKS, TASK_SEED, SEEDS = "hierarchy", 100, 2026, (0, 1, 2)
FLAT: Mapping[str, Mapping[str, Any]] = {"hierarchy": {"levels": 1}}
EFFORT: Mapping[str, Any] = {"candidates": 100, "iterations": 3}
AGENTS = (
    Variant("graph-top", changes={"actor": EFFORT}),
    Variant("graph-top-mode-1", "react"),
    Variant("flat", changes={**FLAT, "actor": EFFORT}),
    Variant("flat-mode-1", "react", FLAT),
)


@dataclass(frozen=True)
class Maze:
    """One world. Fields: name: in rows. world: its name. episodes, steps: what is collected."""

    name: str
    world: str
    episodes: int
    steps: int


MAZES = (
    Maze("pointmaze-large", "ogbench/pointmaze-large-v0", 250, 1000),
    Maze("pointmaze-giant", "ogbench/pointmaze-giant-v0", 200, 2000),
)


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Collect once, train and test each seed in each maze, write the rows. Units on disk are not run again."""
    chosen = tuple(seeds or SEEDS)
    return write_results(out, NAME, [line for maze in MAZES for line in _rows(maze, out / maze.name, chosen)])


def _rows(maze: Maze, out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    options = {"streams": ["proprioception"], "max_steps": maze.steps}
    store = collect(maze.world, out=out / "store", episodes=maze.episodes, options=options, workers=2, resume=True)
    arena = make_arena(maze.world, store.spec.options, standard_tasks(maze.world, options, TASKS, TASK_SEED), store)
    folders = [out / f"seed-{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        trained(store, folder, seed, {})
        scores_of(load(folder), folder, arena, AGENTS)
    pairs = (("graph-top", "flat"), ("graph-top-mode-1", "flat-mode-1"))
    compared = [paired_row(maze.name, (ours, folders[0]), (theirs, folders[0]), seeds[0]) for ours, theirs in pairs]
    return success_rows(maze.name, [agent.name for agent in AGENTS], folders, seeds) + compared
