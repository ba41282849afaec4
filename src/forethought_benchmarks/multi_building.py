"""`trip`: long-horizon tasks through sixteen rooms in four buildings, with a key for each door between buildings.

It follows the paper's example of a journey (section 4.6) with four time scales: a step, a room, a building with its key, the
whole trip. Tasks take the expert 300 steps or more. In the training episodes each key may be held from the start; otherwise
the data would rarely contain the rooms behind the third door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forethought.data.collection import collect
from forethought.evaluation.arena import make_arena
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
"""The configurator's choice."""
ALONE: Mapping[str, Mapping[str, Any]] = {"levels-2-alone": {"levels": 2, "upper_stride": None}, "levels-3-alone": CHOSEN}
"""Hierarchies with fewer levels, trained above the same level 1."""
DEPTHS = (4, 3, 2)
"""Numbers of planning levels: the same weights without the highest levels."""
ARMS = (*(arm for depth in DEPTHS for arm in both_modes(f"levels-{depth}", {"planner.upper.max_levels": depth})),
        *both_modes("flat", FLAT))  # fmt: skip


def rows(out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Collect once, then train and score each seed; finished units are cached. Mode-2 variants use the first seed only."""
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
    lines = success_rows(NAME, [*names_of(reacting), *LED], folders, seeds) + depth_rows(NAME, folders, seeds, ALONE)
    lines += success_rows(NAME, names_of(searching), [first], seeds[:1])
    for arms, runs in ((searching, [first]), (reacting, folders)):
        deep, *others = names_of(arms)
        lines += [paired_row(NAME, (deep, runs), (other, runs), seeds[: len(runs)]) for other in others]
    lines.append(paired_row(NAME, ("levels-4", [first]), (LED[0], [first]), seeds[:1]))
    return lines + gate_rows(NAME, folders[:1], store, arena, seeds[:1])


def tasks() -> TaskSet:
    """The fixed task set: tasks with at least `SHORTEST` optimal steps."""
    candidates = make_tasks(WORLD, OPTIONS, 4 * TASKS, TASK_SEED, "far-room")
    far = [task for task in candidates.tasks if (task.optimal_steps or 0.0) >= SHORTEST][:TASKS]
    return replace(candidates, tasks=tuple(replace(task, budget=BUDGET) for task in far))
