"""Frozen benchmark tasks in a JSON manifest: seeds and states, no trajectories. A manifest is validated on load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, SupportsIndex

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forethought.atomic_io import read_json, write_json
from forethought.errors import ForethoughtError, require_whole
from forethought.types import TaskSet, WorldTask
from forethought.worlds import registry
from forethought.worlds.random_streams import SEEDS_PER_SET, TASK_SEEDS

SCHEMA = 1

_State = Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _TaskEntry(_Strict):
    """One task, with the fields of `WorldTask`."""

    seed: int = Field(ge=0)
    start: _State | None
    goal: _State
    optimal_steps: float | None = Field(ge=0, allow_inf_nan=False)
    budget: int = Field(ge=1)


class _Manifest(_Strict):
    """The file. `made_with` (number, seed, kind) documents how to make the set again; no code of the package reads it."""

    schema_version: int
    world: str
    options: dict[str, Any]
    success: str
    made_with: dict[str, Any] = Field(default_factory=dict)
    tasks: tuple[_TaskEntry, ...] = Field(min_length=1)
    goal_rows: tuple[tuple[int, int], ...] = ()


def make_tasks(
    world: str, options: Mapping[str, Any], number: SupportsIndex, seed: SupportsIndex, kind: str = "cross-room"
) -> TaskSet:
    """A set of tasks in a world.

    Args:
        world: name of the world. options: its options.
        number: number of tasks, 1 to 65,536.
        seed: of the set, 0 to 32,767; sets of different seeds share no task seed. Task i has the seed
            `2**31 + seed * 2**16 + i`.
        kind: `same-room`, `cross-room` or `far-room` (at least two doors away); Rooms only.

    Raises:
        ForethoughtError: no such world, option or kind; a number or seed out of range; a world without goals of its own.
    """
    number, seed = require_whole(number, "number"), require_whole(seed, "seed")
    if not 1 <= number <= SEEDS_PER_SET:
        raise ForethoughtError(f"A task set has 1 to {SEEDS_PER_SET} tasks, not {number}.")
    if not 0 <= seed < TASK_SEEDS // SEEDS_PER_SET:
        raise ForethoughtError(f"The seed of a task set is 0 to {TASK_SEEDS // SEEDS_PER_SET - 1}, not {seed}.")
    family = registry.family_of(world)
    if family.make_tasks is None:
        raise ForethoughtError(
            f"World {world!r} draws no goals of its own: collect episodes first, and take goals from the held-out ones with "
            "forethought.worlds.goals.tasks_from_episodes(store, number, seed)."
        )
    return family.make_tasks(world, options, number, seed, kind)


def save_tasks(path: Path | str, tasks: TaskSet, made_with: Mapping[str, Any] | None = None) -> None:
    """Write a manifest atomically.

    Args:
        path: of the JSON file. tasks: the task set.
        made_with: the arguments of `make_tasks` that the set itself does not contain.
    """
    write_json(path, {"schema_version": SCHEMA, "made_with": dict(made_with or {}), **_plain(tasks)})


def digest(tasks: TaskSet) -> str:
    """SHA-256 of a set's content; equal for two sets with the same tasks."""
    return hashlib.sha256(json.dumps(_plain(tasks), sort_keys=True).encode()).hexdigest()


def _plain(tasks: TaskSet) -> dict[str, Any]:
    return {
        "world": tasks.world,
        "options": dict(tasks.options),
        "success": tasks.success,
        "tasks": [vars(task) for task in tasks.tasks],
        "goal_rows": [list(row) for row in tasks.goal_rows],
    }


def load_tasks(path: Path | str) -> TaskSet:
    """Read a manifest.

    Raises:
        ForethoughtError: it is missing, is not JSON, or is not a manifest of this version; names the first wrong entry.
    """
    content = read_json(path, "task manifest")
    try:
        manifest = _Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ForethoughtError(f"{path} is no task manifest: {where}: {first['msg'].lower()}; make it again.") from error
    if manifest.schema_version != SCHEMA:
        raise ForethoughtError(
            f"{path} is a task manifest of version {manifest.schema_version}, but this program reads {SCHEMA}."
        )
    tasks = tuple(WorldTask(**dict(entry)) for entry in manifest.tasks)
    return TaskSet(manifest.world, manifest.options, manifest.success, tasks, manifest.goal_rows)
