"""What the main process reads, in every process: the checkpoint's progress and optimiser, the configuration, the same store."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from forethought.config import Configuration
from forethought.data import EpisodeStore
from forethought.data_parallel import ALONE, TrainingProcesses, joined
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.training.agent_files import read_configuration
from forethought.training.checkpoint import CHECKPOINTS, save_checkpoint
from forethought.training.shared_files import last_checkpoint, shared_configuration
from rank_processes import in_processes

MOMENT = torch.arange(6.0).view(2, 3).T
"""Not contiguous, as moments of a transposed weight are."""


def saved(run: Path) -> None:
    tensors = {"agent": {"w": torch.ones(3)}, "extras": {}, "optimizer": {"state.0.exp_avg": MOMENT}}
    save_checkpoint(run, 7, tensors, {"phase": "critic", "step": 7, "seconds": {"critic": 1.5}, "processes": 2})


def read(run: Path, folder: Path) -> None:
    with joined() as processes:
        checkpoint = last_checkpoint(processes, run, resume=True)
        assert checkpoint is not None
        assert checkpoint.step == 7
        assert checkpoint.progress["seconds"] == {"critic": 1.5}
        assert torch.equal(checkpoint.tensors["optimizer"]["state.0.exp_avg"], MOMENT)
        assert set(checkpoint.tensors) == {"agent", "extras", "optimizer"}
        assert last_checkpoint(processes, run, resume=False) is None
        (folder / str(processes.rank)).touch()


def test_every_process_gets_progress_and_optimiser(tmp_path: Path) -> None:
    run, done = tmp_path / "run", tmp_path / "done"
    done.mkdir()
    saved(run)
    in_processes(2, read, run, done)
    assert len(list(done.iterdir())) == 2


def refused(run: Path, folder: Path) -> None:
    with joined() as processes:
        try:
            last_checkpoint(processes, run, resume=True)
        except ForethoughtError as error:
            (folder / str(processes.rank)).write_text(str(error))


def test_a_damaged_checkpoint_is_refused_in_every_process(tmp_path: Path) -> None:
    run, done = tmp_path / "run", tmp_path / "done"
    done.mkdir()
    saved(run)
    (run / CHECKPOINTS / "000000007" / "optimizer.safetensors").write_bytes(b"no")
    in_processes(2, refused, run, done)
    first, second = ((done / str(rank)).read_text() for rank in range(2))
    assert "no good checkpoint is left" in first
    assert first == second


def test_alone_the_checkpoint_is_the_file_itself(tmp_path: Path) -> None:
    assert last_checkpoint(ALONE, tmp_path, resume=True) is None
    saved(tmp_path)
    checkpoint = last_checkpoint(ALONE, tmp_path, resume=True)
    assert checkpoint is not None
    assert checkpoint.tensors["agent"].keys() == {"w"}
    (tmp_path / CHECKPOINTS / "000000007" / "optimizer.safetensors").write_bytes(b"no")
    with pytest.raises(CorruptFileError):
        last_checkpoint(ALONE, tmp_path, resume=True)


def configured(first: Path, second: Path, path: Path, folder: Path) -> None:
    """Rank 1 opens the second store; the configuration is rank 0's."""

    def begin(processes: TrainingProcesses) -> Configuration:
        assert processes.is_main
        return read_configuration(path)

    with joined() as processes:
        store = EpisodeStore.open(first if processes.is_main else second)
        try:
            found = shared_configuration(processes, store, lambda: begin(processes))
        except ForethoughtError as error:
            (folder / f"error-{processes.rank}").write_text(str(error))
        else:
            assert found == read_configuration(path)
            (folder / f"good-{processes.rank}").touch()


@pytest.mark.parametrize("same", [True, False])
def test_every_process_gets_the_configuration_and_has_the_same_store(same: bool, tmp_path: Path) -> None:
    first, other = tiny.point_store(False).path, tiny.point_store(True).path
    in_processes(2, configured, first, first if same else other, tiny.point_run(False) / "configuration.json", tmp_path)
    assert (tmp_path / "good-0").exists()
    assert (tmp_path / "good-1").exists() == same
    if not same:
        assert "holds other episodes for rank 1 than for rank 0" in (tmp_path / "error-1").read_text()
