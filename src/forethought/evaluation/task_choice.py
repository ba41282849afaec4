"""Which tasks an evaluation uses: the frozen manifest of a world where there is one, else tasks made from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import as_file, files
from typing import Any

from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.types import TaskSet
from forethought.worlds import registry
from forethought.worlds.goals import tasks_from_episodes
from forethought.worlds.tasks import load_tasks, make_tasks

EVALUATION_SEED = 1000


def choose_tasks(world: str, options: Mapping[str, Any], number: int, store: EpisodeStore | None) -> TaskSet:
    """`number` held-out tasks, the same ones each time; fewer where held-out episodes give no more.

    Args:
        world, options: where. number: how many.
        store: needed by worlds that give no goals of their own: theirs come from its held-out episodes.

    Raises:
        ForethoughtError: the world gives no goals and there is no store.
    """
    if gives_goals(world):
        return _first(_frozen(world, options), number) or make_tasks(world, options, number, EVALUATION_SEED)
    if store is None:
        raise ForethoughtError(
            f"World '{world}' gives no goals: they come from a store's held-out episodes, and there is no store here; "
            "name it (evaluate(..., store=)), or collect it again to the place that the run names."
        )
    return tasks_from_episodes(store, number, EVALUATION_SEED)


def gives_goals(world: str) -> bool:
    """Whether a world's tasks need no store."""
    return registry.family_of(world).make_tasks is not None


def _frozen(world: str, options: Mapping[str, Any]) -> TaskSet | None:
    for entry in sorted(files("forethought.evaluation").joinpath("manifests").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".json"):
            with as_file(entry) as path:
                tasks = load_tasks(path)
            if tasks.world == world and _kind(world, tasks.options) == _kind(world, options):
                return tasks
    return None


def _kind(world: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The world's own options in full, but for the length of episodes, which tasks replace by their budgets."""
    whole = registry.make(world, 1, **options).spec.options
    return {name: value for name, value in whole.items() if name != "max_steps"}


def _first(tasks: TaskSet | None, number: int) -> TaskSet | None:
    if tasks is None or len(tasks.tasks) < number:
        return None
    return replace(tasks, tasks=tasks.tasks[:number], goal_rows=tuple(tasks.goal_rows)[:number])
