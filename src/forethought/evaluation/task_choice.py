"""Tasks of an evaluation: the frozen manifest of an environment, or tasks made from a fixed seed without a manifest."""

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
    """`number` held-out tasks, the same at each call; fewer if the held-out episodes yield fewer.

    Args:
        world, options: name and options of the environment. number: number of tasks.
        store: source of goals for environments without goals of their own: its held-out episodes.

    Raises:
        ForethoughtError: the environment has no goals of its own, and `store` is None.
    """
    if gives_goals(world):
        return _first(_frozen(world, options), number) or make_tasks(world, options, number, EVALUATION_SEED)
    if store is None:
        raise ForethoughtError(
            f"World '{world}' gives no goals of its own: pass the store whose held-out episodes contain the goals "
            "(evaluate(..., store=)), or collect it again at the path that the run names."
        )
    return tasks_from_episodes(store, number, EVALUATION_SEED, options=options)


def gives_goals(world: str) -> bool:
    """Whether an environment makes its own goals, so that its tasks need no store."""
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
    """All options with their defaults, without `max_steps`: the task budget replaces the length of an episode."""
    made = registry.make(world, 1, **options)
    resolved = made.spec.options
    made.close()
    return {name: value for name, value in resolved.items() if name != "max_steps"}


def _first(tasks: TaskSet | None, number: int) -> TaskSet | None:
    if tasks is None or len(tasks.tasks) < number:
        return None
    return replace(tasks, tasks=tasks.tasks[:number], goal_rows=tuple(tasks.goal_rows)[:number])
