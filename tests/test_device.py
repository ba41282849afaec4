"""What the machine has to give: the device, the memory within a container's limits, the threads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from forethought import device
from forethought.device import available_memory, default_device, on_device, one_thread, sent
from forethought.errors import ForethoughtError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("limit", "used", "left"), [("5000", "2000", 3000), ("5000", "6000", 0)])
def test_memory_is_what_the_container_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, used: str, left: int
) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    monkeypatch.setattr(device, "CONTAINER", tmp_path)
    assert available_memory(CPU) == left


def test_without_a_limit_it_is_what_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "CONTAINER", tmp_path)
    whole = available_memory(CPU)
    assert whole is not None
    assert whole > 2**20
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("2000\n")
    limited = available_memory(CPU)
    assert limited is not None
    assert limited > whole / 2


def test_the_chosen_device_is_the_default_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert default_device() == torch.device("cuda")
    with on_device("cpu"):
        assert default_device() == CPU
        with on_device("cuda:1"):
            assert default_device() == torch.device("cuda:1")
        with on_device(None):
            assert default_device() == CPU
    assert default_device() == torch.device("cuda")
    with (
        pytest.raises(ForethoughtError, match=r"no device 'cuda:2': choose cpu or cuda or cuda:0 or cuda:1\b"),
        on_device("cuda:2"),
    ):
        pass


@pytest.mark.parametrize("name", ["gpu", "", "cuda:-1"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ForethoughtError, match=f"This machine has no device '{name}': choose cpu"), on_device(name):
        pass


def test_a_tensor_is_sent_to_where_it_is_asked_for() -> None:
    values = torch.arange(3)
    assert sent(values, CPU) is values
    assert sent(values, torch.device("meta")).is_meta


def test_one_thread_gives_the_threads_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread(True):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with one_thread(False):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
