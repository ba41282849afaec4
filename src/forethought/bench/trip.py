"""`trip`: a long way through sixteen rooms in four buildings, with a key to fetch before each door between them.

In the spirit of the paper's example (section 4.6: to another city by way of the airport, the cab, the door of the building and
the body's steps): a step, a room, a building with its key, the whole trip. Tasks take the expert 300 steps or more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forethought.bench.arms import FLAT, both_modes, compare_depths, depth_rows, grown, names_of
from forethought.bench.evaluation import make_arena
from forethought.bench.gates import gate_rows
from forethought.bench.units import paired_row, scores_of, success_rows, trained
from forethought.data.collection import collect
from forethought.types import TaskSet
from forethought.worlds.tasks import make_tasks

NAME, WORLD, EPISODES = "trip", "forethought/Rooms-v0", 1500
OPTIONS: Mapping[str, Any] = {"layout": "trip", "doors": "fixed", "keys": 3, "speed": 0.3, "max_steps": 800}
TASKS, TASK_SEED, SHORTEST, BUDGET = 100, 2026, 300.0, 1000
LEARNING: Mapping[str, Any] = {"hierarchy.levels": 4, "hierarchy.top": "learned", "hierarchy.stride": 3}
BASE = (*both_modes("levels-4"), *both_modes("flat", FLAT))
DEPTHS: Mapping[str, Mapping[str, Any]] = {"levels-2": {"levels": 2, "stride": 5}, "levels-3": {"levels": 3, "stride": 4}}
"""Other depths above the same level 1, of strides so that the highest level's step is long, but not too long to learn."""


def rows(out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Collect once, train and test each seed; units on disk are not run again."""
    store = collect(WORLD, out=out / "store", episodes=EPISODES, options=OPTIONS, workers=0, resume=True)
    arena = make_arena(WORLD, OPTIONS, tasks())
    folders = [out / f"seed-{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        scores_of(trained(store, folder, seed, LEARNING), folder, arena, BASE)
        compare_depths(folder, store, arena, DEPTHS)
    found = success_rows(NAME, names_of(BASE), folders, seeds) + depth_rows(NAME, folders, seeds, DEPTHS)
    deep = ("levels-4", folders[0])
    found.append(paired_row(NAME, deep, ("levels-2", grown(folders[0], "levels-2")), seeds[0]))
    found.append(paired_row(NAME, deep, ("flat", folders[0]), seeds[0]))
    return found + gate_rows(NAME, folders, store, arena, seeds)


def tasks() -> TaskSet:
    """The frozen tasks, made again: at least `SHORTEST` steps away."""
    drawn = make_tasks(WORLD, OPTIONS, 4 * TASKS, TASK_SEED, "far-room")
    far = [task for task in drawn.tasks if (task.optimal_steps or 0.0) >= SHORTEST][:TASKS]
    return replace(drawn, tasks=tuple(replace(task, budget=BUDGET) for task in far))
