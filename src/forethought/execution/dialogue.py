"""A dialogue: a process of its own that keeps its state from message to message, unlike one that does units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class DialogueEnded(Exception):
    """The process has died, or was killed because it hung; the text says how."""


class Dialogue(ABC):
    """The starting side of it; the other runs a module that talks by `Channel.of_process`, and dies with this one.

    Attributes:
        dead: whether it has ended, or was killed because it hung.
    """

    dead: bool = False

    @abstractmethod
    def send(self, message: object) -> None:
        """Send a message; that the process has ended is told by `receive`."""

    @abstractmethod
    def receive(self, limit: float) -> Any:
        """The next message that is no sign of life (None).

        Args:
            limit: seconds without a message or sign of life after which it is killed.

        Raises:
            DialogueEnded: it has died, or was killed.
        """

    @abstractmethod
    def close(self) -> None:
        """Kill the process; may be called twice."""


def silent(limit: float) -> DialogueEnded:
    """The end of a process that hung."""
    return DialogueEnded(f"its process was killed: no sign of life for {limit:g} s")
