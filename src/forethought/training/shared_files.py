"""What the main process of a training reads in the run's folder, for all of its processes: configuration and checkpoint."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load, save

from forethought.config import Configuration
from forethought.data.store import EpisodeStore
from forethought.data_parallel import TrainingProcesses
from forethought.errors import ForethoughtError
from forethought.training.checkpoint import Checkpoint, has_checkpoint, load_checkpoint

log = logging.getLogger(__name__)


def shared_by_main(processes: TrainingProcesses, make: Callable[[], Configuration]) -> Configuration:
    """The configuration that `make` returns in the main process, in every process."""
    return processes.from_main(
        make, lambda made: made.model_dump_json().encode(), lambda message: Configuration.model_validate_json(message)
    )


def shared_configuration(
    processes: TrainingProcesses, store: EpisodeStore, begin: Callable[[], Configuration]
) -> Configuration:
    """The configuration that `begin` returns in the main process, in every process, for the same store in all of them.

    Raises:
        ForethoughtError: what `begin` raises; or this process's store holds other episodes than the main one's.
    """
    configuration = shared_by_main(processes, begin)
    fingerprint = processes.from_main(lambda: store.fingerprint)
    if fingerprint != store.fingerprint:
        raise ForethoughtError(
            f"The store at {store.path} holds other episodes for rank {processes.rank} than for rank 0: copy the same store to "
            "every machine."
        )
    return configuration


def last_checkpoint(processes: TrainingProcesses, run: Path, resume: bool) -> Checkpoint | None:
    """The newest good checkpoint of a resumed run; processes other than the main one get its progress and the optimiser.

    Returns:
        None for a new run, or where there is no checkpoint yet.

    Raises:
        CorruptFileError: no checkpoint is good.
    """
    checkpoint = processes.from_main(lambda: load_checkpoint(run) if resume and has_checkpoint(run) else None, _dump, _load)
    trained_by = 1 if checkpoint is None else checkpoint.progress.get("processes", 1)
    if checkpoint is not None and trained_by != processes.size:
        log.warning(
            "This run was trained by %s process(es) and goes on with %d: sums in another order change the last bits, so it "
            "continues, but not exactly as it would have.", trained_by, processes.size,
        )  # fmt: skip
    return checkpoint


def _dump(checkpoint: Checkpoint | None) -> bytes:
    if checkpoint is None:
        return b""
    described = {"path": str(checkpoint.path), "step": checkpoint.step, "progress": checkpoint.progress}
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.get("optimizer", {}).items()}
    header = json.dumps(described).encode()
    return len(header).to_bytes(8, "little") + header + save(tensors)


def _load(message: bytes) -> Checkpoint | None:
    if not message:
        return None
    end = 8 + int.from_bytes(message[:8], "little")
    described = json.loads(message[8:end])
    tensors = {"agent": {}, "extras": {}, "optimizer": load(message[end:])}
    return Checkpoint(Path(described["path"]), described["step"], tensors, described["progress"])
