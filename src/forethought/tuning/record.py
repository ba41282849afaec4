"""The record of a tuning, `tuning.json`: what was asked, every trial with its scores, and what came out; sealed and atomic.

It is written before and after each piece of work, so a tuning that was killed goes on from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from forethought.atomic_io import read_sealed, write_sealed
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.tuning.trial_score import TrialScore

TUNING, TRIALS, BEST, OVERRIDES = "tuning.json", "trials", "best", "config.json"
"""In the run's folder: the record, the trials' runs, the run of the best agent, and its settings for `train --config`."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Fields:
        number: counted over both stages. stage: `training` or `planning`. bracket: the group that it was begun in.
        options: axis -> index of its option; axes that are not named keep the configurator's own.
        scores: of each rung that it reached. seconds: of training and scoring, one for each score.
        stopped: why it did not go on; empty for one that reached the last rung.
    """

    number: int
    stage: str
    bracket: int
    options: Mapping[str, int]
    scores: tuple[TrialScore, ...] = ()
    seconds: tuple[float, ...] = ()
    stopped: str = ""

    @property
    def value(self) -> float:
        """The value of its last score; minus infinity without one."""
        return self.scores[-1].value if self.scores else -float("inf")


@dataclass(frozen=True)
class Compared:
    """One agent on fresh tasks. Fields: name; touched: success of each task; skill of predictions with its interval;
    model_calls of a decision.
    """

    name: str
    touched: tuple[bool, ...]
    skill: tuple[float, float, float] | None
    model_calls: float


@dataclass(frozen=True)
class TuningRequest:
    """What was asked. Fields: as the arguments of `tune`; `store`: its folder, `fingerprint`: its content."""

    store: str
    fingerprint: str
    seed: int
    seconds: float | None
    trials: int
    tasks: int
    config: Mapping[str, Any]
    success: Mapping[str, Any]


@dataclass(frozen=True)
class TuningRecord:
    """All of a tuning.

    Fields:
        request: what was asked. validation: episode numbers. own: the configurator's configuration, as JSON.
        no_world: why there are no tasks; empty if there are. scale: share of the configurator's own steps that a whole training
            has, and tasks: number of validation tasks, so that the budget holds enough trials. notes: sentences for the page.
        stage: what is done next: `training`, `planning`, `comparison`, `publication`; `finished`.
        trials: in order. compared: the configurator's own and the tuned agent on fresh tasks; random_floor on them.
        elapsed: seconds so far, of all processes.
    """

    request: TuningRequest
    validation: tuple[int, ...]
    own: Mapping[str, Any]
    no_world: str
    scale: float = 1.0
    tasks: int = 0
    stage: str = "training"
    trials: tuple[TrialRecord, ...] = ()
    compared: tuple[Compared, ...] = ()
    random_floor: float | None = None
    elapsed: float = 0.0
    notes: tuple[str, ...] = field(default=())

    def of_stage(self, stage: str) -> tuple[TrialRecord, ...]:
        """The trials of a stage."""
        return tuple(trial for trial in self.trials if trial.stage == stage)

    def with_trial(self, trial: TrialRecord) -> TuningRecord:
        """The record with a new or a changed trial."""
        others = [one for one in self.trials if one.number != trial.number]
        return replace(self, trials=tuple(sorted([*others, trial], key=lambda one: one.number)))

    def noted(self, sentence: str) -> TuningRecord:
        """The record with one more note."""
        return self if sentence in self.notes else replace(self, notes=(*self.notes, sentence))


_FORM = TypeAdapter(TuningRecord)


def is_tuning(run: Path) -> bool:
    """Whether a folder is the run of a tuning."""
    return (run / TUNING).exists()


def write_tuning(run: Path, record: TuningRecord) -> None:
    """Write the record."""
    write_sealed(run / TUNING, _FORM.dump_python(record, mode="json"))


def read_tuning(run: Path | str) -> TuningRecord:
    """Read the record of a run.

    Raises:
        ForethoughtError: the folder is no run of `forethought tune`.
        CorruptFileError: the record is damaged.
    """
    path = Path(run) / TUNING
    if not path.exists():
        raise ForethoughtError(f"{run} is no run of `forethought tune` (no {TUNING}): name one that is.")
    content = read_sealed(path, "the record of the tuning")
    try:
        return _FORM.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join([".".join(str(part) for part in first["loc"]), first["msg"].lower()])
        raise CorruptFileError(f"{path}: the record of the tuning is damaged ({where}); tune again.") from error
