"""The GPU benchmark: its code runs on the CPU, with tiny sizes; without a GPU it measures nothing and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from forethought.configurator import configure
from forethought.errors import ForethoughtError
from forethought.training import measured_speed
from forethought_benchmarks import gpu, registry
from forethought_benchmarks.gpu import PLAIN, GpuBench, GpuProtocol, peak

CPU = torch.device("cpu")


def bench(**sizes: float) -> GpuBench:
    store = tiny.rooms_store()
    protocol = GpuProtocol(batches=(1, 3), decisions=2, piece_seconds=0.05, **sizes)  # type: ignore[arg-type]
    return GpuBench(store, configure(store.spec, store.block, store.statistics(), overrides=tiny.SMALL), protocol)


def test_without_a_gpu_there_are_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ForethoughtError, match="not measured: no CUDA device"):
        registry.run("gpu", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_have_seconds_and_the_share_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_speed, "TIMED_SECONDS", 0.01)
    monkeypatch.setattr(gpu, "device_name", lambda device: "NVIDIA H200")
    mixed = measured_speed.Arithmetic("bfloat16", compile=False)
    rows = list(bench().rows(CPU, (PLAIN, mixed), (False,)))
    names = ["float32", "bfloat16", "plan, 1 episodes", "plan, 3 episodes"]
    assert [row["agent"] for row in rows] == names
    assert [row["metric"] for row in rows] == 2 * ["train_frames_per_second"] + 2 * ["decisions_per_second"]
    for row in rows:
        assert row["value"] > 0
        assert row["share_of_peak"] == row["flops_per_second"] / (989e12 if row["precision"] == "bfloat16" else 67e12)
        assert row["share_of_peak"] > 0
    assert rows[3]["ms_per_decision"][0] == pytest.approx(3000 / rows[3]["value"])


def test_nothing_begins_that_would_pass_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    assert list(bench(seconds=0.01).rows(CPU, (PLAIN,), (False,))) == []
    assert caplog.text.count("Not measured, because") == 3


def test_peaks_are_those_of_the_data_sheets() -> None:
    assert peak("NVIDIA H100 PCIe", "bfloat16") == 756e12
    assert peak("NVIDIA H100 80GB HBM3", "bfloat16") == 989e12
    assert peak("NVIDIA A100-SXM4-80GB", "float32") == 19.5e12
    assert peak("NVIDIA L40", "bfloat16") is None
    assert peak("Tesla T4", "bfloat16") is None
    assert peak("cpu", "float32") is None
