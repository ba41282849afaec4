"""The store of an evaluation: the one that is given, or the one that the run was trained on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forethought.atomic_io import sha256_of
from forethought.data.store import EpisodeStore
from forethought.data.store_format import MANIFEST
from forethought.errors import ForethoughtError
from forethought.training.record import TRAINING, training_record

log = logging.getLogger(__name__)


def chosen_store(
    run: Path | None, given: EpisodeStore | Path | str | None = None, *, needed: bool = True
) -> EpisodeStore | None:
    """The store of an evaluation.

    Args:
        run: folder of the run; None for an agent that is no folder. given: the store or its folder; None for that of the run.
        needed: whether the tasks take their goals from it. Otherwise it only serves the cloned baseline, and may be gone.

    Returns:
        The store; None without a run, or where it is gone and not needed.

    Raises:
        ForethoughtError: the given store cannot be opened, or the needed one is gone or damaged.
        CorruptFileError: the run's training record is damaged.
    """
    if given is not None:
        return given if isinstance(given, EpisodeStore) else EpisodeStore.open(given)
    if run is None:
        return None
    if not needed and not (run / TRAINING).exists():
        return None
    record = training_record(run)
    try:
        return _store_of(run, record)
    except ForethoughtError as error:
        if needed:
            raise
        log.warning("no cloned baseline: %s", error)
        return None


def _store_of(run: Path, record: Mapping[str, Any]) -> EpisodeStore:
    """The store that a run was trained on. A moved one is found by its fingerprint, beside its old place or the run."""
    path = Path(record["store"])
    if (path / MANIFEST).exists():
        store = EpisodeStore.open(path)
        if store.fingerprint != record["fingerprint"]:
            log.warning(
                "The store at %s has changed since %s was trained on it; its held-out episodes give the tasks.", path, run
            )
        return store
    for folder in (path.parent, run.resolve().parent):
        for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
            if sha256_of(manifest) == record["fingerprint"]:
                log.warning("The store of %s was moved from %s to %s.", run, path, manifest.parent)
                return EpisodeStore.open(manifest.parent)
    raise ForethoughtError(
        f"The store that {run} was trained on is not at {path} any more, and its held-out episodes hold the goals: if it was "
        "moved or renamed, name its new place with --store, or evaluate(..., store=)."
    )
