"""The contract of executors: a driver gives units to a crew, hears their messages, and gets their outcomes as they come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, runtime_checkable

from forethought.execution.dialogue import Dialogue

Emit = Callable[[Any], None]
"""A unit's way to send a message to the driver while it runs; None is a sign of life."""


@runtime_checkable
class Unit(Protocol):
    """A piece of work that depends on no other one, and can be pickled with its result and its messages.

    It may be done again after its worker was lost, so it continues or overwrites what it had written.
    """

    @property
    def name(self) -> str:
        """For messages; unique within a crew."""

    def run(self, emit: Emit) -> Any:
        """Do the work and return the result.

        Raises:
            ForethoughtError: it ends the driver's loop with the same sentence.
        """


Hear = Callable[[Any, Any], None]
"""The driver's callback (unit, message) for what units emit, in order for each unit; it may raise, which ends the loop."""


@dataclass(frozen=True)
class UnitOutcome:
    """The end of one attempt at a unit.

    Fields:
        unit: the unit. result: what `run` returned; None if the attempt was lost.
        lost: why there is no result; empty if there is one.
        fault: `died`: the unit's process ended; `hung`: it gave no sign of life; `gone`: its machine or its host process was
            taken away, which is no fault of the unit.
    """

    unit: Any
    result: Any = None
    lost: str = ""
    fault: Literal["", "died", "hung", "gone"] = ""


class Crew(ABC):
    """Workers that do units for one driver. Iterate to work: it yields outcomes until no unit is left.

    Units may be added meanwhile, such as one that was lost. Leave the context to stop the workers.
    """

    @abstractmethod
    def add(self, unit: Unit) -> None:
        """Let a worker do this unit when one is free; units begin in the order in which they were added."""

    @abstractmethod
    def __iter__(self) -> Iterator[UnitOutcome]: ...

    @abstractmethod
    def dismiss(self) -> int:
        """Stop the worker of the last outcome and start no other in its place, unless it is the only one.

        Returns:
            The number of workers that are left; 0: it was the only one and stays.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop all workers; unfinished units are dropped."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class Executor(ABC):
    """Where units are done: in this process, in processes of this machine, or on a Ray cluster.

    Attributes:
        workers: units that are done at once, 1 or more.
        here: whether units run in this process, and need not be pickled.
    """

    workers: int
    here: bool = False

    @abstractmethod
    def open(self, hear: Hear, patience: float | None = None, claim: tuple[int, ...] = ()) -> Crew:
        """A crew.

        Args:
            hear: gets the units' messages, in the thread that iterates.
            patience: seconds without a message or sign of life after which a worker counts as hung; None: for ever. In this
                process nothing notices a hang.
            claim: file descriptors (`atomic_io.claimed`) that workers on this machine keep open as long as they live.
        """

    def converse(self, module: str) -> Dialogue:
        """A process of its own that runs a module and keeps its state; on this machine, unless the executor has others."""
        from forethought.execution.worker_process import ProcessDialogue  # which imports this module

        return ProcessDialogue(module)
