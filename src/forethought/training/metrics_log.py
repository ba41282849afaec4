"""The log of a run: one JSON line per record, and the same in TensorBoard files; a resumed run writes nothing twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forethought.atomic_io import write_bytes, writing


class MetricsLogger:
    """Metrics of a run: one JSON line per record in `log.jsonl`, the same in TensorBoard files."""

    def __init__(self, run: Path, resumed: Mapping[str, float] | None = None, attempt: int = 0) -> None:
        """Continue the run's files from a checkpoint: what was logged after it will be logged again, and is deleted.

        Args:
            run: the run's folder.
            resumed: phase -> its step at the checkpoint; records of later steps or other phases are deleted. None: keep all.
            attempt: how many trainings were given up; their records stay.
        """
        from torch.utils.tensorboard import SummaryWriter

        self.path, self.attempt, board = run / "log.jsonl", attempt, run / "tensorboard"
        records = _read_records(self.path)
        kept = [
            one for one in records
            if resumed is None or one.get("attempt", 0) < attempt or one["step"] <= resumed.get(one["phase"], -1)
        ]  # fmt: skip
        if self.path.exists():
            write_bytes(self.path, "".join(json.dumps(one) + "\n" for one in kept).encode())
        # TensorBoard can only append, and purges by step across all phases: its files are written anew from the log.
        shutil.rmtree(board, ignore_errors=True)
        with writing(run):
            self.board = SummaryWriter(str(board))
            for record in kept:
                self._show(record)

    def write(self, phase: str, step: int, figures: dict[str, float | list[str]]) -> None:
        """Append one record."""
        record = {"phase": phase, "step": step, **({"attempt": self.attempt} if self.attempt else {}), **figures}
        with writing(self.path), self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        self._show(record)

    def _show(self, record: Mapping[str, Any]) -> None:
        """Add the figures of a record to TensorBoard; those of a training that was given up stand apart."""
        apart = f" (given up {attempt + 1})" if (attempt := record.get("attempt", 0)) < self.attempt else ""
        for name, value in record.items():
            if isinstance(value, float):
                self.board.add_scalar(f"{record['phase']}{apart}/{name}", value, record["step"])

    def close(self) -> None:
        """Flush TensorBoard."""
        with writing(self.path.parent):
            self.board.close()


def _read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a log; lines that a kill cut off are left out."""
    records = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int) and isinstance(record.get("phase"), str):
            records.append(record)
    return records
