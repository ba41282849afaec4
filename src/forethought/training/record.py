"""The training record of a run, `training.json`: the store, seconds, and all that was decided while training ran."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forethought.atomic_io import read_object, write_json
from forethought.config import Configuration
from forethought.configurator.budget_rules import LEAST_FRAMES
from forethought.errors import CorruptFileError
from forethought.training.checkpoint import Checkpoint
from forethought.training.clock import StepDecision, TrainingClock
from forethought.training.threads import OtherProcesses, ThreadChange, Threads

log = logging.getLogger(__name__)
TRAINING = "training.json"
WORLD_MODEL = "world model"
_FORM = ConfigDict(extra="allow", allow_inf_nan=False, strict=True)
"""Of what is read from the file: keys of other versions pass."""
_Seconds = Annotated[float, Field(ge=0)]


class _TimeBudget(BaseModel):
    """The record's `budget`."""

    model_config = _FORM
    seconds: Annotated[float, Field(gt=0)]
    reproducible: bool
    decisions: list[StepDecision] = []


class _TrainingRecord(BaseModel):
    """The values of the record that this package reads."""

    model_config = _FORM
    seconds: dict[str, _Seconds]
    store: Annotated[str, Field(pattern=r"^[^\x00]*$")]
    fingerprint: str
    device: str = "cpu"
    train_frames: Annotated[int, Field(ge=0)] = 0
    thread_changes: list[ThreadChange] = []
    budget: _TimeBudget | None = None


def training_record(run: Path | str) -> dict[str, Any]:
    """The training record of a run.

    Keys: `seconds` by phase, `device`, `threads`, `train_frames`, `store` and its `fingerprint`. `thread_changes`: see
    `ThreadChange`. With a time budget `budget`: its `seconds`, the `decisions` about steps, `elapsed` seconds, and `changed`,
    one sentence for each part that was cut or raised.

    Raises:
        CorruptFileError: it is missing or damaged.
    """
    path = Path(run) / TRAINING
    record = read_object(path, "the training record")
    try:
        _TrainingRecord.model_validate_json(json.dumps(record))  # only as JSON a strict model takes objects for dataclasses
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join([".".join(str(part) for part in first["loc"]), first["msg"].lower()])
        raise CorruptFileError(f"{path}: the training record is damaged ({where}); restore it or train again.") from error
    # Records without a device are from older versions, which trained on CPUs only.
    return {"device": "cpu"} | record


def frames_of(configuration: Configuration, steps: int) -> int:
    """Frames that the world model trains on in so many steps."""
    training = configuration.training
    return steps * training.batch * (training.sequence_length + 2)


def training_clock(
    run: Path, configuration: Configuration, checkpoint: Checkpoint | None, started: float
) -> TrainingClock | None:
    """The clock of a run's time budget, with the decisions of earlier processes; None without a budget.

    `started`: the reading of `time.monotonic` when this process began to train.
    """
    budget = training_record(run).get("budget")
    if budget is None:
        return None
    ending = "_steps"
    fixed = {
        reason.setting.removeprefix("training.").removesuffix(ending).replace("_", " ")
        for reason in configuration.reasons
        if reason.overridden and reason.setting.startswith("training.") and reason.setting.endswith(ending)
    }

    def write(decisions: list[dict[str, Any]]) -> None:
        _update(run, budget=budget | {"decisions": decisions})

    return TrainingClock(
        budget["seconds"],
        budget["reproducible"],
        float(checkpoint.progress.get("elapsed", 0.0)) if checkpoint else _given_up(configuration),
        [StepDecision(**decision) for decision in budget.get("decisions", [])],
        write,
        fixed,
        time.monotonic,
        started,
    )


def _given_up(configuration: Configuration) -> float:
    """Seconds of the trainings that were given up."""
    return configuration.history[-1].seconds if configuration.history else 0.0


def forget_decisions(run: Path, attempt: int) -> None:
    """Remove what was decided while the trainings before this attempt ran; once for each attempt."""
    record = training_record(run)
    if record.get("attempt", 0) == attempt:
        return
    if "budget" in record:
        record["budget"] = {name: value for name, value in record["budget"].items() if name != "decisions"}
    write_json(run / TRAINING, record | {"thread_changes": [], "attempt": attempt})


def training_threads(run: Path, device: torch.device, others: OtherProcesses, since: float) -> Threads:
    """Chooses the number of threads; repeats the changes of earlier processes.

    Args:
        device: only on CPUs there is a choice.
        others: watches the other processes. since: reading of `time.monotonic` when it began.
    """
    changes = [ThreadChange(**change) for change in training_record(run).get("thread_changes", [])]
    return Threads(
        changes, lambda changes: _update(run, thread_changes=changes), others, since=since, enabled=device.type == "cpu"
    )


def finish_record(run: Path, configuration: Configuration, seconds: Mapping[str, float], clock: TrainingClock | None) -> None:
    """Record the seconds of a finished training, and what its budget cut or raised; the log says so, too."""
    fields: dict[str, Any] = {"seconds": dict(seconds)}
    if clock is not None:
        changed, final = clock.summary(), {decision.part: decision.steps for decision in clock.decisions}
        frames = frames_of(configuration, final.get(WORLD_MODEL, configuration.training.world_model_steps))
        if frames < LEAST_FRAMES:
            changed.append(f"world model: {frames:,} frames, and it needs about {LEAST_FRAMES:,}: give more seconds.")
        for sentence in changed:
            log.warning("%s", sentence)
        fields["train_frames"] = frames
        fields["budget"] = training_record(run)["budget"] | {"elapsed": clock.elapsed, "changed": changed}
    _update(run, **fields)


def _update(run: Path, **fields: Any) -> None:
    write_json(run / TRAINING, training_record(run) | fields)
