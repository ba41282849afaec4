"""A training that begins anew with another objective: what of the one that was given up is kept, and what is left behind.

The configuration file is the one place that says how many trainings were given up, and it is replaced atomically. All else
follows from it, so a training that is killed on the way finds the same state of affairs again.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from forethought.atomic_io import read_object, write_json
from forethought.config import CONFIGURATION, Configuration
from forethought.errors import ForethoughtError
from forethought.training.checkpoint import CHECKPOINTS, PROGRESS
from forethought.training.record import forget_decisions

log = logging.getLogger(__name__)


def begin_anew(run: Path, configuration: Configuration) -> None:
    """Store the configuration of the next training, and leave the one before behind."""
    log.warning("The objective is changed: %s", configuration.history[-1])
    write_json(run / CONFIGURATION, configuration.model_dump(mode="json"))
    leave_given_up(run, configuration)


def leave_given_up(run: Path, configuration: Configuration) -> None:
    """Delete the checkpoints of trainings that were given up, and their decisions about steps; their log stays."""
    attempt = len(configuration.history)
    if not attempt:
        return
    forget_decisions(run, attempt)
    for progress in (run / CHECKPOINTS).glob(f"*/{PROGRESS}"):
        try:
            of_attempt = read_object(progress, "the checkpoint's progress").get("attempt", 0)
        except ForethoughtError:
            continue  # damaged: found and passed over when it is loaded
        if of_attempt != attempt:
            shutil.rmtree(progress.parent)
