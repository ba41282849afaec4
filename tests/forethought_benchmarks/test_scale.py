"""The plan for large scale: pieces are measured, sizes add up, and a simulated training is limited by what is scarce."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from forethought.evaluation.result_rows import FIELDS
from forethought_benchmarks.scale.pieces import Pieces, measure
from forethought_benchmarks.scale.protocol import WORKERS, rows_of
from forethought_benchmarks.scale.simulation import CHANGED, PRESENT, ClusterWorker, ScalePlan, lost_share, simulate, totals

PIECES = Pieces(
    act_seconds=1e-4, read_seconds=1e-6, row_bytes=12_000, verify_bytes=1e9, decode_seconds=5e-4, picture_bytes=20_000,
    block_flops=4e10, step_seconds=0.1, step_flops=4e10, step_spread=0.1, reduce_bytes=1e9, reduce_seconds=1e-4, save_bytes=1e8,
)  # fmt: skip
PLAN, GPU = ScalePlan(), ClusterWorker.accelerator()


def test_every_piece_is_measured() -> None:
    found = measure(repeats=1)
    for field in fields(Pieces):
        value = getattr(found, field.name)
        assert value > 0, field.name
    assert 12_288 <= found.row_bytes < 13_000  # 64 x 64 pixels of three bytes, and a little
    assert 5_000 < found.picture_bytes < 60_000
    assert found.decode_seconds > found.read_seconds
    assert 1e8 < found.block_flops < 1e13


def test_one_worker_sends_nothing() -> None:
    found = simulate(PLAN, GPU, PRESENT, PIECES, 1)
    assert found.parts["sending gradients"] == found.parts["sending rows"] == found.parts["agreeing"] == 0
    assert found.parts["waiting for the slowest"] == 0
    assert found.bottleneck == "computing"
    own = 6 * PLAN.parameters * PLAN.tokens * PLAN.rows / GPU.flops
    assert found.step_seconds == pytest.approx(own, rel=0.05)
    assert found.hours(1e9) == pytest.approx(1e9 / found.frames_per_second / 3600)


def test_more_workers_are_faster_and_less_efficient() -> None:
    found = [simulate(PLAN, GPU, PRESENT, PIECES, workers) for workers in WORKERS]
    speeds, efficiencies = [one.frames_per_second for one in found], [one.efficiency for one in found]
    assert speeds == sorted(speeds)
    assert efficiencies == sorted(efficiencies, reverse=True)


@pytest.mark.parametrize(
    ("worker", "part"),
    [
        (replace(GPU, network=1e8), "sending gradients"),
        (replace(GPU, storage=1e8), "reading and decoding"),
        (replace(GPU, latency=0.5), "agreeing"),
        (replace(GPU, flops=1e12), "computing"),
    ],
)
def test_what_is_scarce_is_the_bottleneck(worker: ClusterWorker, part: str) -> None:
    parts = simulate(PLAN, worker, CHANGED, PIECES, 1000).parts
    ample = simulate(PLAN, GPU, CHANGED, PIECES, 1000).parts
    assert parts[part] > 10 * ample[part]
    if part != "agreeing":  # latency delays every message
        assert max(parts, key=lambda name: parts[name]) == part


def test_the_changes_pay_at_a_thousand_workers() -> None:
    present, changed = (simulate(PLAN, GPU, design, PIECES, 1000) for design in (PRESENT, CHANGED))
    assert changed.efficiency > 1.2 * present.efficiency
    assert changed.parts["sending rows"] < present.parts["sending rows"] / 5
    assert changed.lost < present.lost


def test_failures_cost_more_with_more_workers() -> None:
    shares = [lost_share(PLAN, GPU, PRESENT, PIECES, workers) for workers in WORKERS]
    assert shares == sorted(shares)
    # Young's interval: the time for checkpoints equals that for what failures undo.
    failures, save = 1000 / (50_000 * 3600), 12e9 / 1e8
    expected = (2 * save * failures) ** 0.5 + failures * 300
    assert lost_share(PLAN, GPU, PRESENT, PIECES, 1000) == pytest.approx(expected)


def test_sizes_of_the_plan() -> None:
    found = totals(PLAN, GPU, PIECES, 1000)
    assert found["training, 10^18 operations"] == pytest.approx(6 * 1e9 * 256 * 1e9 / 1e18)
    assert found["store of JPEG pictures, TB"] == 20
    assert found["encoded states in each process, TB"] == pytest.approx(4 * 1024 * 1e9 / 1e12)
    assert found["gradients sent by a worker in a step, GB"] == pytest.approx(8, rel=0.01)
    assert found["verifying the store in each process, hours"] == pytest.approx(2e13 / 1e9 / 3600)


def test_rows_of_the_result_file() -> None:
    rows = rows_of(PIECES)
    assert all(set(row) == set(FIELDS) for row in rows)
    keys = [(row["world"], row["agent"], row["metric"]) for row in rows]
    assert len(keys) == len(set(keys))
    parts = [row for row in rows if row["world"] == "accelerator/present" and row["agent"] == "1,000 workers"]
    shares = [row["value"] for row in parts if row["metric"].endswith("_rate")][2:]
    assert sum(shares) == pytest.approx(1)
