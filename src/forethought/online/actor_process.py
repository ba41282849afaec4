"""A process that acts for a life: how the life starts it, what the two send each other, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from forethought.config import Configuration
from forethought.errors import ForethoughtError
from forethought.execution import Executor
from forethought.execution.dialogue import DialogueEnded
from forethought.execution.pool import STARTUP
from forethought.types import Episode, WorldSpec

MODULE = "forethought.online.actor_worker"


@dataclass(frozen=True)
class ActorSetup:
    """What a process needs to act.

    Fields:
        world, options, spec: as in `worlds.make`, and its description. registration: of its id (`registry.registration`).
        seed: of the life's episodes. modules: those that register parts (`parts.own_modules`). configuration: of the agent.
        round_blocks: blocks in a round. patience: seconds after which a call of the environment counts as hung.
    """

    world: str
    options: Mapping[str, Any]
    spec: WorldSpec
    registration: str
    seed: int
    modules: tuple[str, ...]
    configuration: Configuration
    round_blocks: int
    patience: float


@dataclass(frozen=True)
class RoundReport:
    """What an actor has done in a round.

    Fields:
        blocks: that it took. outcome: the episode, or the reason of its loss; None: the episode goes on.
        refused: why the process can't act at all; empty: it can.
    """

    blocks: int
    outcome: Episode | str | None = None
    refused: str = ""


class ActorProcess:
    """One worker process. It dies with this one, and no call waits for it longer than the patience allows."""

    def __init__(self, setup: ActorSetup, executor: Executor) -> None:
        """Start it. `executor`: where."""
        self._dialogue = executor.converse(MODULE)
        # A block's steps may each take almost as long as the patience; the actor's own timer comes first.
        self._limit = setup.patience * (1 + setup.configuration.data.block)
        self._dialogue.send(setup)

    def ready(self) -> None:
        """Wait until the process can act.

        Raises:
            ForethoughtError: it can't.
        """
        report = self._report(max(self._limit, STARTUP))
        why = report.refused or report.outcome
        if why:
            raise ForethoughtError(f"An actor's process can't begin ({why}): use one actor, or see above why.")

    def act(self, number: int, weights: Mapping[str, NDArray[Any]]) -> None:
        """Let it act for a round in episode `number`, which it begins or goes on with, by these weights of `PolicyActor`."""
        self._dialogue.send((number, weights))

    def report(self) -> RoundReport:
        """Wait for the end of its round; a process that has died or hangs has lost its episode."""
        return self._report(self._limit)

    def close(self) -> None:
        """Kill the process."""
        self._dialogue.close()

    @property
    def dead(self) -> bool:
        """Whether it has ended, or was killed because it hung."""
        return self._dialogue.dead

    def _report(self, limit: float) -> RoundReport:
        try:
            report = self._dialogue.receive(limit)
        except DialogueEnded as ended:
            return RoundReport(0, str(ended))
        assert isinstance(report, RoundReport)
        return report
