"""Several actors of one life, in processes of their own: they act in rounds, and meanwhile this process learns.

A round is at most `ROUND` blocks of each actor, by the weights of its beginning. During a round the learner makes the updates
for the blocks of the round before. An episode is learned from once it is over and its round, too. So everything is a function
of the seed and the number of actors, however fast each process is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from numpy.typing import NDArray

from forethought.execution import Executor
from forethought.online.actor_process import ActorProcess, ActorSetup, RoundReport
from forethought.online.life import Life
from forethought.types import Episode

ROUND = 10
"""Blocks of an actor in a round. Weights are sent once a round: shorter ones cost time, longer ones act by older weights."""


class _Seat:
    """An actor and the episode that it lives: in its process, or, where it was recorded before a kill, from the dataset."""

    def __init__(self, setup: ActorSetup, executor: Executor) -> None:
        self._start = partial(ActorProcess, setup, executor)
        self._process = self._start()
        self.number: int | None = None
        self.blocks = 0
        self._known: Episode | None = None

    def ready(self) -> None:
        """Wait until its process can act."""
        self._process.ready()

    def begin(self, number: int, known: Episode | None) -> None:
        """Begin an episode; `known`: as it was recorded, None: to be lived. A process that has died is replaced first."""
        if self._process.dead:
            self._process.close()
            self._process = self._start()
            self.ready()
        self.number, self.blocks, self._known = number, 0, known

    def act(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Begin a round."""
        assert self.number is not None
        if self._known is None:
            self._process.act(self.number, weights)

    def report(self) -> RoundReport:
        """The end of the round."""
        report = self._process.report() if self._known is None else self._relived(self._known)
        self.blocks += report.blocks
        return report

    def _relived(self, episode: Episode) -> RoundReport:
        """The same as if its process had lived it now."""
        left = len(episode) - self.blocks
        return RoundReport(left, episode) if left <= ROUND else RoundReport(ROUND)

    def close(self) -> None:
        """Kill its process."""
        self._process.close()


class Actors:
    """N actors of a life; call `close` at the end."""

    def __init__(
        self,
        life: Life,
        setup: ActorSetup,
        executor: Executor,
        count: int,
        lived: Mapping[int, Episode | str],
        next_number: int,
    ) -> None:
        """Start `count` processes by `executor`.

        Args:
            life: learns from what they live. lived: what was recorded before a kill, by number. next_number: of the first
                episode that they begin.

        Raises:
            ForethoughtError: a process can't begin.
        """
        self._life, self._lived, self._next = life, lived, next_number
        self._block, self._unlearned = life.configuration.data.block, 0
        self._seats = list[_Seat]()
        try:
            for _ in range(count):
                self._seats.append(_Seat(setup, executor))
            for seat in self._seats:
                seat.ready()
        except BaseException:
            self.close()
            raise

    @property
    def busy(self) -> bool:
        """Whether an episode is in progress."""
        return any(seat.number is not None for seat in self._seats)

    def round(self, room: int) -> list[tuple[int, Episode | str]]:
        """Act and learn for a round.

        Args:
            room: environment steps that are still to be lived: while those in progress are fewer, free actors begin episodes.

        Returns:
            Number and outcome of the episodes that are over, by actor; the life's replay holds them, too.
        """
        self._begin_episodes(room)
        acting = [seat for seat in self._seats if seat.number is not None]
        weights = {name: values.cpu().numpy() for name, values in self._life.actor.state_dict().items()}
        for seat in acting:
            seat.act(weights)
        self.learn()
        over = list[tuple[int, Episode | str]]()
        for seat in acting:
            report = seat.report()
            self._unlearned += report.blocks
            if report.outcome is not None:
                over.append(self._ended(seat, report.outcome))
        return over

    def learn(self) -> None:
        """Make the updates for the blocks of the last round."""
        blocks, self._unlearned = self._unlearned, 0
        self._life.learn(blocks * self._life.configuration.training.online.updates_per_step)

    def close(self) -> None:
        """Kill the processes."""
        for seat in self._seats:
            seat.close()

    def _begin_episodes(self, room: int) -> None:
        for seat in self._seats:
            progress = sum(each.blocks * self._block for each in self._seats if each.number is not None)
            if seat.number is None and progress < room:
                known = self._lived.get(self._next)
                # An episode that was lost is lived again up to its fault: how far it came decides what the others do meanwhile.
                seat.begin(self._next, known if isinstance(known, Episode) else None)
                self._next += 1

    def _ended(self, seat: _Seat, outcome: Episode | str) -> tuple[int, Episode | str]:
        number, seat.number = seat.number, None
        assert number is not None
        if isinstance(known := self._lived.get(number), str):
            return number, known
        if isinstance(outcome, str):
            return number, f"{outcome.rstrip('.')} (actor {self._seats.index(seat) + 1}, after {seat.blocks} blocks or more)"
        self._life.take(outcome)
        return number, outcome
