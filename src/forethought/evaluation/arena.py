"""An environment with its tasks and goals, on which controllers are run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError, first_reasons
from forethought.evaluation.baselines import RETURN_STEPS, RETURN_TASKS, EpisodeReturn
from forethought.evaluation.episodes import Outcomes, Recording, ScriptedController, joined, lost_task
from forethought.evaluation.evaluated_world import PATIENCE
from forethought.evaluation.task_choice import choose_tasks
from forethought.evaluation.task_units import TASKS_IN_UNIT, AnyController, TaskUnit
from forethought.execution import Attempts, Executor, InProcess
from forethought.parts import own_modules
from forethought.types import Observation, TaskSet
from forethought.worlds import registry
from forethought.worlds.any_gymnasium.registration import OnlyHereError
from forethought.worlds.goals import goal_observations
from forethought.worlds.success import ACTION_SHIFT, SUCCESS_OPTIONS

log = logging.getLogger(__name__)
ORACLE = "expert"
MAX_LOST = 0.1
"""Share of the tasks whose environment may fail; one always may, but not the only one."""
LOST_WORKERS = 2
"""After so many workers that died or hung in a unit its tasks run one by one, and a task that is lost as often has failed."""


@dataclass(frozen=True)
class Arena:
    """An environment with its tasks and goals, on which several controllers can be evaluated.

    Fields:
        world: name of the environment. options: its options. tasks: the tasks.
        goals: goal observations, for environments that cannot render a goal; None otherwise.
        executor: where the tasks run.
    """

    world: str
    options: Mapping[str, Any]
    tasks: TaskSet
    goals: Observation | None
    executor: Executor = field(default_factory=InProcess)

    def run(self, controller: AnyController, recording: Recording | None = None) -> Outcomes:
        """Run one controller on all tasks, in new environments; the outcomes do not depend on the executor.

        A task whose environment fails counts as not reached; so does one in which two workers die or hang. `recording` sees
        the first environments alone; with it the tasks run in this process.

        Raises:
            ForethoughtError: no copy of the environment starts, or more than a tenth of the tasks failed.
        """
        executor = InProcess() if recording is not None else self.executor
        registration, modules = ("", ()) if executor.here else (registry.registration(self.world), own_modules())
        whole = TaskUnit(self.world, self.options, self.tasks, self.goals, 0, controller, recording, registration, modules)
        parts, attempts, number = dict[int, Outcomes](), Attempts(LOST_WORKERS), len(self.tasks.tasks)
        with executor.open(lambda unit, message: None, PATIENCE) as crew:
            for unit in whole.parts(TASKS_IN_UNIT):
                crew.add(unit)
            for outcome in crew:
                unit = outcome.unit
                if not outcome.lost:
                    parts[unit.first] = outcome.result
                elif attempts.again(outcome):
                    crew.add(unit)
                elif len(unit.tasks.tasks) > 1:
                    # Which task it was is found by running them one by one.
                    for single in unit.parts(1):
                        crew.add(single)
                else:
                    parts[unit.first] = lost_task(f"{outcome.lost}; this episode is lost (seed {unit.tasks.tasks[0].seed}).")
                failures = {first + task: why for first in sorted(parts) for task, why in parts[first].failures.items()}
                self._stop_if_too_many_failed(failures)
                log.debug("%s: %d of %d tasks", self.world, sum(len(part.touched) for part in parts.values()), number)
        outcomes = joined([parts[first] for first in sorted(parts)])
        if outcomes.failures:
            log.warning(
                "%d of %d tasks in %s failed and count as not reached; %s",
                *(len(outcomes.failures), number, self.world, first_reasons(outcomes.failures, "task")),
            )
        return outcomes

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
        return Arena(self.world, self.options, chosen, goals, self.executor)

    def measure_return(self, controller: AnyController) -> EpisodeReturn:
        """Return and length of whole episodes."""
        return EpisodeReturn.of(self.whole_episodes.run(controller))


def make_arena(
    world: str,
    options: Mapping[str, Any],
    tasks: int | TaskSet,
    store: EpisodeStore | None = None,
    executor: Executor | None = None,
) -> Arena:
    """An environment with held-out tasks.

    Args:
        world, options: name and options of the environment. tasks: number of tasks, or the tasks. store: see `choose_tasks`.
        executor: where the tasks run; None: in this process, and so does a world that only this process has.

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
    chosen_executor = executor or InProcess()
    if not chosen_executor.here:
        try:
            registry.registration(world)
        except OnlyHereError as error:
            log.warning("%s; its tasks run in this process now", error)
            chosen_executor = InProcess()
    return Arena(world, {**options, **test}, chosen, goals, chosen_executor)
