"""`trip`: a long way through sixteen rooms in four buildings, with a key to fetch before each door between them.

In the spirit of the paper's example (section 4.6: to another city by way of the airport, the cab, the door of the building and
the body's steps): a step, a room, a building with its key, the whole trip. Tasks take the expert 300 steps or more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forethought.bench.arms import FLAT, both_modes, grown, names_of
from forethought.bench.evaluation import make_arena
from forethought.bench.gates import gate_rows
from forethought.bench.subgoals import LED, score_led
from forethought.bench.units import paired_row, scores_of, success_rows, trained
from forethought.data.collection import collect
from forethought.learning.agent_files import load
from forethought.learning.grow import grow
from forethought.types import TaskSet
from forethought.worlds.tasks import make_tasks

NAME, WORLD, EPISODES = "trip", "forethought/Rooms-v0", 1500
OPTIONS: Mapping[str, Any] = {"layout": "trip", "doors": "fixed", "keys": 3, "speed": 0.3, "max_steps": 800}
TASKS, TASK_SEED, SHORTEST, BUDGET = 100, 2026, 300.0, 1000
LEARNING: Mapping[str, Any] = {"hierarchy.levels": 4, "hierarchy.top": "learned", "hierarchy.stride": 3}
SEEDS = 2
"""Training seeds, at most: with its arms, each takes an hour of a core."""
DEEP, FLAT_ARMS, TWO = both_modes("levels-4"), both_modes("flat", FLAT), both_modes("levels-2")
TWO_LEVELS: Mapping[str, Any] = {"levels": 2, "stride": 5}
CHOSEN: Mapping[str, Any] = {"levels": 3, "stride": 4}
"""Other depths above the same level 1; the second is what the configurator would choose. First seed only, and Mode-1 below."""


def rows(out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Collect once, train and test each seed; units on disk are not run again. Only the first seed's arms search at level 1."""
    store = collect(WORLD, out=out / "store", episodes=EPISODES, options=OPTIONS, workers=0, resume=True)
    arena, seeds = make_arena(WORLD, OPTIONS, tasks()), seeds[:SEEDS]
    folders = [out / f"seed-{seed}" for seed in seeds]
    for index, (seed, folder) in enumerate(zip(seeds, folders, strict=True)):
        modes = slice(1 if index else 0, 2)
        scores_of(trained(store, folder, seed, LEARNING), folder, arena, [*DEEP[modes], *FLAT_ARMS[modes]])
        scores_of(grow(folder, store, grown(folder, "levels-2"), TWO_LEVELS), grown(folder, "levels-2"), arena, TWO[modes])
    first, two, three = folders[0], grown(folders[0], "levels-2"), grown(folders[0], "levels-3")
    chosen = both_modes("levels-3")[1:]
    scores_of(grow(first, store, three, CHOSEN), three, arena, chosen)
    score_led(load(two), two, arena, seeds[0])
    found = success_rows(NAME, names_of([DEEP[1], FLAT_ARMS[1]]), folders, seeds)
    found += success_rows(NAME, names_of(TWO[1:]), [grown(folder, "levels-2") for folder in folders], seeds)
    found += success_rows(NAME, names_of([DEEP[0], FLAT_ARMS[0]]), [first], seeds[:1])
    found += success_rows(NAME, [*names_of(TWO[:1]), *LED], [two], seeds[:1]) + success_rows(
        NAME, names_of(chosen), [three], seeds[:1]
    )
    for deep, flat, other in zip(DEEP, FLAT_ARMS, TWO, strict=True):
        found.append(paired_row(NAME, (deep.name, first), (flat.name, first), seeds[0]))
        found.append(paired_row(NAME, (other.name, two), (deep.name, first), seeds[0]))
    found.append(paired_row(NAME, (TWO[0].name, two), (LED[0], two), seeds[0]))
    return found + gate_rows(NAME, folders[:1], store, arena, seeds[:1])


def tasks() -> TaskSet:
    """The frozen tasks, made again: at least `SHORTEST` steps away."""
    drawn = make_tasks(WORLD, OPTIONS, 4 * TASKS, TASK_SEED, "far-room")
    far = [task for task in drawn.tasks if (task.optimal_steps or 0.0) >= SHORTEST][:TASKS]
    return replace(drawn, tasks=tuple(replace(task, budget=BUDGET) for task in far))
