"""The system refuses to write: whoever writes says so in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from torch import nn

import tiny
from crashing_env import in_child
from forethought.atomic_io import claimed
from forethought.data import StoreWriter
from forethought.errors import ForethoughtError
from forethought.evaluation.result_rows import write_results
from forethought.report.page import write_report
from forethought.report.report_data import ReportMaterial
from forethought.report.storage import save_material
from forethought.training.agent_files import save_agent
from forethought.training.checkpoint import keep_frozen, save_checkpoint
from forethought.training.loop import MetricsLogger
from forethought.types import TaskSet, WorldTask
from forethought.worlds.look import look
from forethought.worlds.tasks import save_tasks

MATERIAL = ReportMaterial("Rooms", "forethought/Rooms-v0")


def frozen() -> nn.Module:
    return nn.Linear(300, 3).requires_grad_(False)


def log(folder: Path) -> None:
    logger = MetricsLogger(folder)
    logger.write("world model", 1, {"loss": 0.5})
    logger.close()


def record(folder: Path) -> None:
    """One line more, after the files were begun."""
    logger = object.__new__(MetricsLogger)
    logger.path, logger.attempt, logger.board = folder / "log.jsonl", 0, MagicMock()
    logger.write("world model", 1, {"loss": 0.5})


def agent(folder: Path) -> None:
    made = tiny.point_agent(False)
    save_agent(folder, made.configuration, made.modules)


def tasks(folder: Path) -> None:
    save_tasks(folder / "tasks.json", TaskSet("toy", {}, "there", (WorldTask(0, None, (1.0,), None, 5),)))


WRITERS: dict[str, Callable[[Path], object]] = {
    "checkpoint": lambda folder: save_checkpoint(folder, 1, {"agent": {"w": torch.zeros(300)}}, {}),
    "frozen weights": lambda folder: keep_frozen(folder, frozen()),
    "agent": agent,
    "log": log,
    "record": record,
    "report data": lambda folder: save_material(folder / "material", MATERIAL),
    "page": lambda folder: write_report(MATERIAL, folder / "report.html"),
    "rows": lambda folder: write_results(folder / "out", "bench", [{"value": 1}]),
    "tasks": tasks,
    "store": lambda folder: StoreWriter(folder / "store", tiny.point_store(False).spec, 2, {}),
    "picture of a world": lambda folder: look("forethought/Crossing-v0", out=folder / "picture.png", episodes=1),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_sentence(writer: str, tmp_path: Path) -> None:
    if writer == "agent":
        tiny.point_run(False)
    assert in_child(lambda: WRITERS[writer](tmp_path)) == 0
    (tmp_path / "full").mkdir()
    assert in_child(lambda: WRITERS[writer](tmp_path / "full"), largest_file=16) == 1


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_that_cannot_be_written_is_one_sentence(writer: str, tmp_path: Path) -> None:
    (tmp_path / "no folder").write_text("")
    with pytest.raises(ForethoughtError, match="(could not write|cannot be written)") as refused:
        WRITERS[writer](tmp_path / "no folder")
    assert "\n" not in str(refused.value)


def test_a_folder_that_cannot_be_claimed_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(ForethoughtError, match=r"could not write .*\.lock"), claimed(tmp_path):
        raise AssertionError
