"""`hierarchy`: long ways, one level against several: H-JEPA's four rooms, and OGBench's mazes from state by its own tasks.

The weights of level 1 are the same in all arms of a training seed; the flat agent goes without what is above, and searches as
hard below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forethought.bench import four_rooms, trip
from forethought.bench.arms import FLAT, both_modes, compare_depths, depth_rows, grown, names_of
from forethought.bench.evaluation import make_arena
from forethought.bench.results import write_results
from forethought.bench.short_ways import WAYS
from forethought.bench.subgoals import LED, score_led
from forethought.bench.units import paired_row, scores_of, success_rows, trained
from forethought.data.collection import collect
from forethought.learning.agent_files import load
from forethought.worlds.pointmaze import standard_tasks

NAME, TASKS, TASK_SEED, SEEDS = "hierarchy", 100, 2026, (0, 1, 2)
AGENTS = (*both_modes("graph-top"), *both_modes("flat", FLAT))
GRAPH: Mapping[str, Any] = {"hierarchy.levels": 2, "hierarchy.top": "graph", "hierarchy.stride": 5}


@dataclass(frozen=True)
class Maze:
    """One world. Fields: name: in rows. world: its name. episodes, steps: what is collected. deeper: learned levels."""

    name: str
    world: str
    episodes: int
    steps: int
    deeper: Mapping[str, Mapping[str, Any]]


LARGE: Mapping[str, Mapping[str, Any]] = {"levels-3": {"levels": 3, "top": "learned", "stride": 5}}
MAZES = (
    Maze("pointmaze-large", "ogbench/pointmaze-large-v0", 250, 1000, LARGE),
    Maze("pointmaze-giant", "ogbench/pointmaze-giant-v0", 200, 2000, {}),
)
"""As deep, and of such strides, as the configurator would choose; first seed only."""


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Collect once, train and test each seed in each maze, write the rows. Units on disk are not run again."""
    chosen = tuple(seeds or SEEDS)
    found = [line for part in (four_rooms, trip) for line in part.rows(out / part.NAME, chosen)]
    found += [line for way in WAYS for line in way.rows(out / way.name, chosen)]
    return write_results(out, NAME, found + [line for maze in MAZES for line in _rows(maze, out / maze.name, chosen)])


def _rows(maze: Maze, out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    options = {"streams": ["proprioception"], "max_steps": maze.steps}
    store = collect(maze.world, out=out / "store", episodes=maze.episodes, options=options, workers=2, resume=True)
    arena = make_arena(maze.world, store.spec.options, standard_tasks(maze.world, options, TASKS, TASK_SEED), store)
    folders = [out / f"seed-{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        scores_of(trained(store, folder, seed, GRAPH), folder, arena, AGENTS)
    compare_depths(folders[0], store, arena, maze.deeper)
    deeper = {name: grown(folders[0], name) for name in maze.deeper}
    for folder in deeper.values():
        score_led(load(folder), folder, arena, seeds[0])
    found = success_rows(maze.name, names_of(AGENTS), folders, seeds)
    found += depth_rows(maze.name, folders[:1], seeds[:1], maze.deeper)
    first, flat = folders[0], ("flat", folders[0])
    found.append(paired_row(maze.name, ("graph-top", first), flat, seeds[0]))
    found.append(paired_row(maze.name, ("graph-top-mode-1", first), ("flat-mode-1", first), seeds[0]))
    for name, folder in deeper.items():
        found += success_rows(maze.name, LED, [folder], seeds[:1])
        found += [paired_row(maze.name, (name, folder), other, seeds[0]) for other in (flat, (LED[0], folder))]
    return found
