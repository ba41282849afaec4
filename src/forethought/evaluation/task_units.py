"""The units of an evaluation: a few tasks each, the same ones on every executor and for every number of workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from forethought.device import tune_glibc_malloc
from forethought.errors import ForethoughtError
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
from forethought.execution import Emit
from forethought.parts import use
from forethought.types import Observation, TaskSet
from forethought.worlds import registry
from forethought.worlds.any_gymnasium.registration import register_again
from forethought.worlds.contract import World, close_world
from forethought.worlds.env_adapter import WorldCrashed

log = logging.getLogger(__name__)
AnyController = AgentController | ScriptedController | CloneController
TASKS_IN_UNIT = 16
"""Tasks that run side by side. Numbers of a batch depend on its size in their last bits, so it never depends on the workers."""


@dataclass(frozen=True)
class TaskUnit:
    """A few tasks of an evaluation.

    Fields:
        world, options: name and options of the environment. tasks: the tasks. goals: their goal observations, or None.
        first: number of the first task. controller: acts in them. recording: filled, where the unit runs in this process.
        registration: of the world's id, see `registry.registration`. modules: those that register parts.
    """

    world: str
    options: Mapping[str, Any]
    tasks: TaskSet
    goals: Observation | None
    first: int
    controller: AnyController
    recording: Recording | None = None
    registration: str = ""
    modules: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For messages."""
        last = self.first + len(self.tasks.tasks) - 1
        return f"task {self.first}" if last == self.first else f"tasks {self.first} to {last}"

    def run(self, emit: Emit) -> Outcomes:
        """Run them, in new environments; emits a sign of life at each step.

        Of an adapted environment as many are open at once as start. Tasks beside one whose environment failed are run again,
        one by one; the one that fails counts as not reached.

        Raises:
            ForethoughtError: no copy of the environment starts.
        """
        register_again(self.registration)
        use(self.modules)
        tune_glibc_malloc()
        parts, copies, number = list[Outcomes](), len(self.tasks.tasks), len(self.tasks.tasks)
        world: World | None = None
        try:
            while (done := sum(len(part.touched) for part in parts)) < number:
                if world is None or world.num > number - done:
                    if world is not None:
                        close_world(world)
                    world = open_copies(self.world, min(copies, number - done), self.options)
                    copies = min(copies, world.num)
                try:
                    parts.append(self._run_batch(world, done, lambda: emit(None)))
                except WorldCrashed as error:
                    # Which task failed is found by running them one by one; after a fault in a new world.
                    if world.num == 1:
                        parts.append(lost_task(str(error)))
                    if self.recording is not None and not done:
                        self.recording.discard()
                    close_world(world)
                    world, copies = None, 1
        finally:
            if world is not None:
                close_world(world)
        return joined(parts)

    def _run_batch(self, world: World, done: int, alive: Callable[[], None]) -> Outcomes:
        """Run the tasks after those that are done, as many as the world has copies."""
        batch = self.part(done, world.num)
        recording = None if done else self.recording
        if isinstance(self.controller, AgentController):
            self.controller.recording = recording
        if recording is not None:
            recording.count = min(recording.count, world.num)
        return run_tasks(world, self.controller, batch.tasks, batch.goals, recording, alive)

    def part(self, first: int, count: int) -> TaskUnit:
        """`count` of its tasks from its `first` on."""
        rows = slice(first, first + count)
        tasks = replace(self.tasks, tasks=self.tasks.tasks[rows], goal_rows=tuple(self.tasks.goal_rows)[rows])
        goals = {name: values[rows] for name, values in self.goals.items()} if self.goals else None
        return replace(self, tasks=tasks, goals=goals, first=self.first + first, recording=None if first else self.recording)

    def parts(self, size: int) -> Iterator[TaskUnit]:
        """Its tasks as units of `size`; the first one keeps the recording."""
        for first in range(0, len(self.tasks.tasks), size):
            yield self.part(first, size)


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
