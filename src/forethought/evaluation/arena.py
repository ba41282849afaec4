"""An environment with its tasks and goals, on which controllers are run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError, first_reasons
from forethought.evaluation.baselines import RETURN_STEPS, RETURN_TASKS, EpisodeReturn
from forethought.evaluation.behaviour_cloning import CloneController
from forethought.evaluation.episodes import (
    AgentController,
    Outcomes,
    Recording,
    ScriptedController,
    joined,
    lost_task,
    run_tasks,
)
from forethought.evaluation.task_choice import choose_tasks
from forethought.types import Observation, TaskSet
from forethought.worlds import registry
from forethought.worlds.contract import World, close_world
from forethought.worlds.env_adapter import WorldCrashed
from forethought.worlds.goals import goal_observations
from forethought.worlds.success import ACTION_SHIFT, SUCCESS_OPTIONS

log = logging.getLogger(__name__)
ORACLE = "expert"
AnyController = AgentController | ScriptedController | CloneController
COPIES = 16
"""Copies of an adapted environment that are open at once; built-in worlds step all their copies together."""
MAX_LOST = 0.1
"""Share of the tasks whose environment may fail; one always may, but not the only one."""


@dataclass(frozen=True)
class Arena:
    """An environment with its tasks and goals, on which several controllers can be evaluated.

    Fields:
        world: name of the environment. options: its options. tasks: the tasks.
        goals: goal observations, for environments that cannot render a goal; None otherwise.
    """

    world: str
    options: Mapping[str, Any]
    tasks: TaskSet
    goals: Observation | None

    def run(self, controller: AnyController, recording: Recording | None = None) -> Outcomes:
        """Run one controller on all tasks, in new environments.

        Of an adapted environment at most `COPIES` are open at once, or as many as start; the results do not depend on it. A
        task whose environment fails counts as not reached. `recording` sees the first environments alone.

        Raises:
            ForethoughtError: no copy of the environment starts, or more than a tenth of the tasks failed.
        """
        number = len(self.tasks.tasks)
        copies = number if registry.family_of(self.world).vectorized else min(COPIES, number)
        parts: list[Outcomes] = []
        world: World | None = None
        try:
            while (first := sum(len(part.touched) for part in parts)) < number:
                if world is None or world.num > number - first:
                    world = self._reopened(world, min(copies, number - first))
                    copies = min(copies, world.num)
                recorded = recording if first == 0 else None
                if first and isinstance(controller, AgentController):
                    controller.recording = None
                try:
                    parts.append(self._run_batch(world, controller, first, recorded))
                except WorldCrashed as error:
                    # Which task failed is found by running them one by one; after a fault in a new world.
                    if world.num == 1:
                        parts.append(lost_task(str(error)))
                    if recorded is not None:
                        recorded.discard()
                    close_world(world)
                    world, copies = None, 1
                self._stop_if_too_many_failed(joined(parts).failures if parts else {})
        finally:
            if world is not None:
                close_world(world)
        outcomes = joined(parts)
        if outcomes.failures:
            log.warning(
                "%d of %d tasks in %s failed and count as not reached; %s",
                *(len(outcomes.failures), number, self.world, first_reasons(outcomes.failures, "task")),
            )
        return outcomes

    def _reopened(self, world: World | None, copies: int) -> World:
        if world is not None:
            close_world(world)
        return open_copies(self.world, copies, self.options)

    def _run_batch(self, world: World, controller: AnyController, first: int, recording: Recording | None) -> Outcomes:
        """Run the tasks from `first` on, as many as the world has copies."""
        part = slice(first, first + world.num)
        batch = replace(self.tasks, tasks=self.tasks.tasks[part], goal_rows=tuple(self.tasks.goal_rows)[part])
        goals = {name: values[part] for name, values in self.goals.items()} if self.goals else None
        if recording is not None:
            recording.count = min(recording.count, world.num)
        return run_tasks(world, controller, batch, goals, recording)

    def _stop_if_too_many_failed(self, failures: Mapping[int, str]) -> None:
        tasks, failed = len(self.tasks.tasks), len(failures)
        if failed == tasks or failed > max(1, int(MAX_LOST * tasks)):
            raise ForethoughtError(
                f"{failed} of {tasks} tasks in {self.world} failed, more than {MAX_LOST:.0%}; "
                f"{first_reasons(failures, 'task')}; fix the world first."
            )

    def reference(self) -> tuple[float, float | None]:
        """Success rates of the random policy and of the scripted expert (None without one); computed once."""
        return self._reference

    @cached_property
    def _reference(self) -> tuple[float, float | None]:
        floor, *ceiling = (float(outcomes.touched.mean()) for outcomes in self.scripted.values())
        return floor, ceiling[0] if ceiling else None

    @cached_property
    def scripted(self) -> Mapping[str, Outcomes]:
        """Outcomes of the random policy and of the scripted expert, if there is one, by name."""
        names = [name for name in ("random", ORACLE) if name in registry.policies(self.world)]
        return {name: self.run(ScriptedController(registry.policy(self.world, name), self.action_shift)) for name in names}

    @property
    def action_shift(self) -> int:
        """Added to a scripted policy's seeds: it must not repeat the actions of the episodes whose seeds the tasks have."""
        return ACTION_SHIFT if self.tasks.goal_rows else 0

    @cached_property
    def whole_episodes(self) -> Arena:
        """The first tasks without their budgets: each episode lasts as long as the world lets it, up to `RETURN_STEPS`."""
        world = registry.make(self.world, 1, **self.options)
        world.close()
        limit = min(world.spec.max_steps, RETURN_STEPS)
        tasks = tuple(replace(task, budget=limit) for task in self.tasks.tasks[:RETURN_TASKS])
        goals = None if self.goals is None else {name: values[:RETURN_TASKS] for name, values in self.goals.items()}
        chosen = replace(self.tasks, tasks=tasks, goal_rows=tuple(self.tasks.goal_rows)[:RETURN_TASKS])
        return Arena(self.world, self.options, chosen, goals)

    def measure_return(self, controller: AnyController) -> EpisodeReturn:
        """Return and length of whole episodes."""
        return EpisodeReturn.of(self.whole_episodes.run(controller))


def open_copies(world: str, copies: int, options: Mapping[str, Any]) -> World:
    """`copies` copies of an environment, or fewer where so many do not start, such as for want of licences or memory.

    Raises:
        ForethoughtError: not even one starts.
    """
    for fewer in range(copies, 0, -1):
        try:
            opened = registry.make(world, fewer, **options)
        except ForethoughtError as error:
            if fewer == 1:
                raise
            reason = error
            continue
        if fewer < copies:
            log.warning("%d copies of %s run at once, for %d do not start: %s", fewer, world, fewer + 1, reason)
        return opened
    raise ForethoughtError(f"World {world!r}: the number of copies is {copies}; use one or more.")


def make_arena(world: str, options: Mapping[str, Any], tasks: int | TaskSet, store: EpisodeStore | None = None) -> Arena:
    """An environment with held-out tasks.

    Args:
        world, options: name and options of the environment. tasks: number of tasks, or the tasks. store: see `choose_tasks`.

    Raises:
        ForethoughtError: the tasks need a store and none is given.
    """
    chosen = tasks if isinstance(tasks, TaskSet) else choose_tasks(world, options, tasks, store)
    goals = None
    if chosen.goal_rows:
        if store is None:
            raise ForethoughtError(
                "These tasks take their goals from a store: pass `store`, the store that they were made from."
            )
        goals = goal_observations(store, chosen)
    # The success test belongs to the tasks: a threshold that was derived from episodes stands in their options.
    test = {name: chosen.options[name] for name in SUCCESS_OPTIONS if chosen.options.get(name) is not None}
    return Arena(world, {**options, **test}, chosen, goals)
