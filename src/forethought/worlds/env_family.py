"""A family of environments: everything that depends on the kind of environment, in one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from forethought.types import TaskSet
from forethought.worlds.contract import ScriptedPolicy, World

Policies = Mapping[str, Callable[[], ScriptedPolicy]]
"""Scripted policies: name -> how to make one. Every world has `random`."""


@runtime_checkable
class WorldMaker(Protocol):
    """Makes N copies of a world."""

    def __call__(self, name: str, num: int, options: Mapping[str, Any]) -> World:
        """`num` copies of the world `name`; a ForethoughtError says what is wrong with its options."""


@runtime_checkable
class TaskMaker(Protocol):
    """Makes the tasks of a world that has goals of its own."""

    def __call__(self, name: str, options: Mapping[str, Any], number: int, seed: int, kind: str) -> TaskSet:
        """`number` tasks; task i is a function of (seed, i), and its seed is `task_seed(seed, i)`. `kind`: Rooms only."""


@runtime_checkable
class SeededTaskMaker(Protocol):
    """Makes tasks in episodes of given seeds, such as those of a collection."""

    def __call__(self, name: str, options: Mapping[str, Any], seeds: Sequence[int]) -> TaskSet:
        """One task for each seed; task i is a function of `seeds[i]`, which is its seed."""


@dataclass(frozen=True)
class EnvFamily:
    """Environments that are made, acted in and given tasks by the same code.

    Another package adds one by an entry point of the group `forethought.worlds` that leads to such an object.

    Fields:
        name: of the family, for messages.
        worlds: the names that are listed, each with one line of description.
        matches: whether a world's name, also one that is not listed, belongs to this family.
        make: N copies of a world. policies: the scripted policies of a world.
        make_tasks: tasks with goals of the world's own; None where goals come from held-out episodes.
        tasks_at: such tasks in episodes of given seeds; None where an agent that collects takes its goals from recorded rows.
        can_be_set: whether a task may start from, and show, any true state.
        vectorized: whether N copies cost less together than one after another; collection then steps many together.
        position_in_pixels: whether the truth `position` is in pixels of the picture, so that the report can draw there.
    """

    name: str
    worlds: Mapping[str, str]
    matches: Callable[[str], bool]
    make: WorldMaker
    policies: Callable[[str], Policies]
    make_tasks: TaskMaker | None = None
    tasks_at: SeededTaskMaker | None = None
    can_be_set: bool = False
    vectorized: bool = False
    position_in_pixels: bool = False
