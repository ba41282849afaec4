"""What a life has come to: it is in every checkpoint, and in `life.json` while the life goes on and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from forethought.atomic_io import read_object, write_json
from forethought.errors import ForethoughtError

LIFE = "life.json"


@dataclass
class Record:
    """Counts and curves of a life.

    Fields:
        episodes: lived, lost ones included. lost: how many were lost. steps: environment steps.
        returns: [steps, return] of each episode. evaluations: [steps, mean return] of each evaluation of Mode-1.
        energies: [steps, mean cost of each drive] of each evaluation, in the order of the world's drives; none without drives.
        best: the highest of the mean returns, less weighted drives; the agent is the one that had it.
        reached: steps at which the return asked for was reached; None before, and if none was asked for.
    """

    episodes: int = 0
    lost: int = 0
    steps: int = 0
    returns: list[list[float]] = field(default_factory=list)
    evaluations: list[list[float]] = field(default_factory=list)
    energies: list[list[float]] = field(default_factory=list)
    best: float | None = None
    reached: int | None = None

    @staticmethod
    def of(progress: Mapping[str, Any]) -> Record:
        """The record in a checkpoint's progress."""
        return Record(**{name: progress[name] for name in Record.__dataclass_fields__})

    @property
    def evaluated(self) -> float:
        """Steps at the last evaluation; 0 before the first."""
        return self.evaluations[-1][0] if self.evaluations else 0

    def write(self, run: Path, request: Mapping[str, Any]) -> None:
        """Write `life.json`."""
        write_json(run / LIFE, {"request": dict(request), **asdict(self)})


def read_request(run: Path) -> dict[str, Any]:
    """What the life in this folder was begun with.

    Raises:
        ForethoughtError: there is no life.
        CorruptFileError: its record is damaged.
    """
    if not (run / LIFE).exists():
        raise ForethoughtError(f"There is no life in {run} to resume: leave out --resume to begin one.")
    return dict(read_object(run / LIFE, "the record of the life")["request"])
