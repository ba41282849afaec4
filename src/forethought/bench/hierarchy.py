"""`hierarchy`: long ways, one level against several: H-JEPA's four rooms, and OGBench's mazes from state by its own tasks.

The weights of level 1 are the same in all arms of a training seed; the flat agent goes without what is above, and searches as
hard below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forethought.bench import four_rooms, short_ways
from forethought.bench.evaluation import make_arena
from forethought.bench.results import write_results
from forethought.bench.units import Variant, paired_row, scores_of, success_rows, trained
from forethought.data.collection import collect
from forethought.learning.agent_files import load
from forethought.learning.grow import grow
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
GRAPH: Mapping[str, Any] = {"hierarchy.levels": 2, "hierarchy.top": "graph", "hierarchy.stride": 5}


@dataclass(frozen=True)
class Maze:
    """One world. Fields: name: in rows. world: its name. episodes, steps: what is collected. grown: learned levels above."""

    name: str
    world: str
    episodes: int
    steps: int
    grown: Mapping[str, Mapping[str, Any]]


MAZES = (
    Maze(
        "pointmaze-large", "ogbench/pointmaze-large-v0", 250, 1000, {"levels-3": {"levels": 3, "top": "learned", "stride": 5}}
    ),
    Maze(
        "pointmaze-giant", "ogbench/pointmaze-giant-v0", 200, 2000, {"levels-4": {"levels": 4, "top": "learned", "stride": 4}}
    ),
)
"""As deep, and of such strides, as the configurator would choose."""


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Collect once, train and test each seed in each maze, write the rows. Units on disk are not run again."""
    chosen = tuple(seeds or SEEDS)
    found = four_rooms.rows(out / four_rooms.NAME, chosen) + short_ways.rows(out / short_ways.NAME, chosen)
    return write_results(out, NAME, found + [line for maze in MAZES for line in _rows(maze, out / maze.name, chosen)])


def _rows(maze: Maze, out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    options = {"streams": ["proprioception"], "max_steps": maze.steps}
    store = collect(maze.world, out=out / "store", episodes=maze.episodes, options=options, workers=2, resume=True)
    arena = make_arena(maze.world, store.spec.options, standard_tasks(maze.world, options, TASKS, TASK_SEED), store)
    folders = [out / f"seed-{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        trained(store, folder, seed, GRAPH)
        scores_of(load(folder), folder, arena, AGENTS)
        for name, hierarchy in maze.grown.items():
            above, grown = grow(folder, store, _grown(folder, name), hierarchy), _grown(folder, name)
            scores_of(above, grown, arena, (Variant(name, changes={"actor": EFFORT}), Variant(f"{name}-mode-1", "react")))
    pairs = (("graph-top", "flat"), ("graph-top-mode-1", "flat-mode-1"))
    compared = [paired_row(maze.name, (ours, folders[0]), (theirs, folders[0]), seeds[0]) for ours, theirs in pairs]
    found = success_rows(maze.name, [agent.name for agent in AGENTS], folders, seeds)
    for name in maze.grown:
        found += success_rows(maze.name, [name, f"{name}-mode-1"], [_grown(folder, name) for folder in folders], seeds)
        compared.append(paired_row(maze.name, (name, _grown(folders[0], name)), ("flat", folders[0]), seeds[0]))
    return found + compared


def _grown(folder: Path, name: str) -> Path:
    """Where other levels above a run's level 1 are kept."""
    return Path(f"{folder}-{name}")
