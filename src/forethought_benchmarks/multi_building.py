"""`trip`: a long way through sixteen rooms in four buildings, with a key to fetch before each door between them.

In the spirit of the paper's example (section 4.6: to another city by way of the airport, the cab, the door of the building and
the body's steps): a step, a room, a building with its key, the whole trip. Tasks take the expert 300 steps or more. In what is
learned from, each key may be in hand from the start: who has to fetch three of them seldom sees what is behind the third door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forethought.data.collection import collect
from forethought.evaluation.evaluate import make_arena
from forethought.training.agent_files import load
from forethought.types import TaskSet
from forethought.worlds.tasks import make_tasks
from forethought_benchmarks.cached_experiments import paired_row, scores_of, success_rows, trained
from forethought_benchmarks.hierarchy_diagnostics import gate_rows
from forethought_benchmarks.oracle_subgoals import LED, score_led
from forethought_benchmarks.variants import FLAT, both_modes, compare_depths, depth_rows, names_of

NAME, WORLD, EPISODES = "trip", "forethought/Rooms-v0", 1500
OPTIONS: Mapping[str, Any] = {"layout": "trip", "doors": "fixed", "keys": 3, "speed": 0.3, "max_steps": 800}
CARRIED = 0.5
TASKS, TASK_SEED, SHORTEST, BUDGET = 100, 2026, 300.0, 1000
LEARNING: Mapping[str, Any] = {
    "model.hierarchy.levels": 4,
    "model.hierarchy.kind": "learned",
    "model.hierarchy.stride": 5,
    "model.hierarchy.upper_stride": 2,
}
CHOSEN: Mapping[str, Any] = {"levels": 3, "stride": 4, "upper_stride": None}
"""What the configurator would choose."""
ALONE: Mapping[str, Mapping[str, Any]] = {"levels-2-alone": {"levels": 2, "upper_stride": None}, "levels-3-alone": CHOSEN}
"""Levels that learn above the same level 1 without any above them."""
DEPTHS = (4, 3, 2)
"""Levels that plan: the same weights, less the highest."""
ARMS = (*(arm for depth in DEPTHS for arm in both_modes(f"levels-{depth}", {"planner.upper.max_levels": depth})),
        *both_modes("flat", FLAT))  # fmt: skip


def rows(out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Collect once, train and test each seed; units on disk are not run again. Most arms search on the first seed only."""
    options = {**OPTIONS, "carried": CARRIED}
    store = collect(WORLD, out=out / "store", episodes=EPISODES, options=options, workers=0, resume=True)
    arena, folders = make_arena(WORLD, OPTIONS, tasks()), [out / f"seed-{seed}" for seed in seeds]
    searching, reacting = ([arm for arm in ARMS if arm.mode == mode] for mode in ("plan", "react"))
    for seed, folder in zip(seeds, folders, strict=True):
        scores_of(trained(store, folder, seed, LEARNING), folder, arena, reacting)
        compare_depths(folder, store, arena, ALONE)
        score_led(load(folder), folder, arena, seed)
    first = folders[0]
    scores_of(load(first), first, arena, searching)
    found = success_rows(NAME, [*names_of(reacting), *LED], folders, seeds) + depth_rows(NAME, folders, seeds, ALONE)
    found += success_rows(NAME, names_of(searching), [first], seeds[:1])
    for arms, runs in ((searching, [first]), (reacting, folders)):
        deep, *others = names_of(arms)
        found += [paired_row(NAME, (deep, runs), (other, runs), seeds[: len(runs)]) for other in others]
    found.append(paired_row(NAME, ("levels-4", [first]), (LED[0], [first]), seeds[:1]))
    return found + gate_rows(NAME, folders[:1], store, arena, seeds[:1])


def tasks() -> TaskSet:
    """The frozen tasks, made again: at least `SHORTEST` steps away."""
    drawn = make_tasks(WORLD, OPTIONS, 4 * TASKS, TASK_SEED, "far-room")
    far = [task for task in drawn.tasks if (task.optimal_steps or 0.0) >= SHORTEST][:TASKS]
    return replace(drawn, tasks=tuple(replace(task, budget=BUDGET) for task in far))
