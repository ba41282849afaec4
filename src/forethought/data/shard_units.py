"""The units of a collection: shards, which an executor's workers record and publish."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from forethought.atomic_io import locked
from forethought.data.recorder import Job, ProgressCallback, WorldDoesNotStart, record_shard
from forethought.data.shard_writer import recording_path
from forethought.data.store_format import RECIPE, shard_path
from forethought.errors import ForethoughtError
from forethought.execution import Attempts, Emit, Executor, UnitOutcome
from forethought.worlds.any_gymnasium.registration import register_again

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NotOpened:
    """The result of a shard for whose episode `number` no copy of the world could be made, and why."""

    number: int
    why: str


@dataclass(frozen=True)
class ShardUnit:
    """One shard of a collection. What an earlier attempt has recorded of it is kept.

    Fields:
        job: the collection. shard: its number. registration: of the world's id, see `registry.registration`.
        patience: in this process, seconds after which an environment counts as hung; None: the executor notices that.
        alone, skip: as in `record_shard`. suspect: the episode in which the last attempt died.
    """

    job: Job
    shard: int
    registration: str = ""
    patience: float | None = None
    alone: bool = False
    skip: Mapping[int, str] = field(default_factory=dict)
    suspect: int | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return f"shard {self.shard}"

    def run(self, emit: Emit) -> NotOpened | None:
        """Record and publish it; emits `(event, number, reason)` of `ProgressCallback`."""
        register_again(self.registration)
        store = self.job.store
        if not (store / RECIPE).exists():
            raise ForethoughtError(
                f"{store / RECIPE}: the store's recipe is missing on {platform.node()}; a worker needs the folder of the store "
                "under the same path."
            )

        def sign(event: str, number: int, why: str = "") -> None:
            emit(None if event == "alive" else (event, number, why))

        recording = recording_path(store, self.shard)
        # The worker of a killed driver may still be writing.
        with locked(recording.with_name(f"{recording.name}.lock")):
            if shard_path(store, self.shard).exists():
                return None
            try:
                record_shard(self.job, self.shard, self.alone, self.skip, sign, self.patience)
            except WorldDoesNotStart as error:
                return NotOpened(error.number, str(error))
        return None


def record_shards(
    executor: Executor,
    job: Job,
    shards: Iterable[int],
    patience: float,
    sign: ProgressCallback,
    registration: str = "",
    claim: tuple[int, ...] = (),
) -> None:
    """Record shards of a collection.

    The rest of a shard whose worker died or hung is recorded one episode at a time. An episode in which a worker hangs, or two
    die, is left out. A worker that gets no copy of the world, such as for want of a licence, is dismissed, and the others do
    its work; the last one leaves the episode out and goes on.

    Args:
        executor: where. job: the collection, of an unfinished store. shards: which of its shards.
        patience: seconds without a sign of life after which a worker counts as hung.
        sign: callback of all events: `recorded` and `failed` with an episode's number, `done` with a shard's number.
        registration: of the world's id. claim: on the store's folder (`claimed`), which workers on this machine inherit.

    Raises:
        ForethoughtError: a worker reported an error that the user must fix.
    """
    begun, attempts = dict[int, int](), Attempts()

    def hear(unit: ShardUnit, message: tuple[str, int, str]) -> None:
        if message[0] == "episode":
            begun[unit.shard] = message[1]
        sign(*message)

    with executor.open(hear, patience, claim) as crew:
        for shard in shards:
            crew.add(ShardUnit(job, shard, registration, patience if executor.here else None))
        for outcome in crew:
            unit: ShardUnit = outcome.unit
            episode = begun.pop(unit.shard, None)
            if outcome.lost:
                crew.add(_after_loss(outcome, episode, sign, attempts))
            elif outcome.result is None:
                sign("done", unit.shard, "")
            elif left := crew.dismiss():
                log.warning(
                    "%d processes collect, not %d, for another one does not start: %s", left, left + 1, outcome.result.why
                )
                crew.add(unit)
            else:
                sign("failed", outcome.result.number, outcome.result.why)
                crew.add(replace(unit, skip={**unit.skip, outcome.result.number: outcome.result.why}))


def _after_loss(outcome: UnitOutcome, episode: int | None, sign: ProgressCallback, attempts: Attempts) -> ShardUnit:
    """The unit that remains of a shard whose worker was lost while it recorded `episode`."""
    unit: ShardUnit = outcome.unit
    if outcome.fault == "gone":
        if not attempts.again(outcome):
            raise ForethoughtError(f"{unit.name} of {unit.job.store}: its workers were taken away again and again.")
        return unit
    if not unit.alone:
        return replace(unit, alone=True)
    if episode is None:
        raise ForethoughtError(f"a collecting process twice ended before its first episode: {outcome.lost}; see above why.")
    if outcome.fault == "died" and unit.suspect != episode:
        return replace(unit, suspect=episode)
    sign("failed", episode, outcome.lost)
    return replace(unit, skip={**unit.skip, episode: outcome.lost}, suspect=None)
