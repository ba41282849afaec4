"""A synchronous training of many workers, simulated step by step from the measured costs of its pieces.

A step ends when the slowest worker has computed, and gradients and states have travelled. Reading and decoding run ahead of it.
Between steps checkpoints are written, and workers fail at random.

Axes: W workers, B rows of the whole batch, D numbers in a state, P parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forethought_benchmarks.scale.pieces import PICTURE, Pieces

FORWARD, TRAINED = 2, 6
"""Operations per parameter and token: of a forward pass, and of a forward and a backward pass."""
BACKWARD = 2 / 3
"""Share of a step's computation during which gradients are ready to travel."""
HOUR = 3600.0


@dataclass(frozen=True)
class ScalePlan:
    """What is trained on.

    Fields:
        frames: of the dataset. parameters: P, of the encoder; the predictor and the heads are small beside it.
        tokens: of a frame, 16 x 16 patches of 14 pixels. state_dim: D. rows: of a batch, in each worker.
        coupled: terms that gather rows: variance, covariance, SIGReg, inverse dynamics, and a contrastive one.
    """

    frames: float = 1e9
    parameters: float = 1e9
    tokens: int = 256
    state_dim: int = 1024
    rows: int = 32
    coupled: int = 5


@dataclass(frozen=True)
class ClusterWorker:
    """One worker and its surroundings.

    Fields:
        name: in the result. flops: operations per second that a training reaches. cores: that decode.
        network: bytes per second to the other workers. latency: seconds of a small message.
        memory: bytes beside the computation. storage: bytes per second of the shared storage, for all workers together.
        mean_hours: between two failures of one worker. restart: seconds until all train again.
    """

    name: str
    flops: float
    cores: int
    network: float
    latency: float
    memory: float
    storage: float = 1e11
    mean_hours: float = 50_000.0
    restart: float = 300.0

    @staticmethod
    def core(pieces: Pieces) -> ClusterWorker:
        """One core of this machine, with everything as measured."""
        return ClusterWorker("core", pieces.block_flops, 1, pieces.reduce_bytes, pieces.reduce_seconds, 4e9)

    @staticmethod
    def accelerator() -> ClusterWorker:
        """A data-sheet GPU: 40 % of 989 TFLOP/s bf16, 400 Gb/s, 80 GB; failures as in Llama 3 (2407.21783, table 5)."""
        return ClusterWorker("accelerator", 0.4 * 989e12, 16, 5e10, 2e-5, 8e10)


@dataclass(frozen=True)
class Design:
    """How the work is shared.

    Fields:
        name: in the result. gradient_bytes: of a parameter's gradient on the network.
        gathers_rows: the coupled terms gather all rows in every worker; else they add up moments of D x D numbers.
        saving_workers: how many write a checkpoint together.
    """

    name: str
    gradient_bytes: int
    gathers_rows: bool
    saving_workers: int


PRESENT = Design("present", 4, True, 1)
CHANGED = Design("changed", 2, False, 64)


@dataclass(frozen=True)
class Simulated:
    """A simulated training.

    Fields:
        workers: W. step_seconds: mean. parts: mean seconds of each part of a step, not hidden by another one.
        frames_per_second: of all workers, with checkpoints and failures. efficiency: relative to W times a worker alone.
        lost: share of the time for checkpoints, failures and what they undo.
    """

    workers: int
    step_seconds: float
    parts: dict[str, float]
    frames_per_second: float
    efficiency: float
    lost: float

    @property
    def bottleneck(self) -> str:
        """The part that takes longest."""
        return max(self.parts, key=lambda part: self.parts[part])

    def hours(self, frames: float) -> float:
        """Hours of one pass over so many frames."""
        return frames / self.frames_per_second / HOUR


def simulate(
    plan: ScalePlan, worker: ClusterWorker, design: Design, pieces: Pieces, workers: int, steps: int = 200, seed: int = 0
) -> Simulated:
    """Simulate so many steps of W workers, and the checkpoints and failures around them."""
    random, rows = np.random.default_rng(seed), plan.rows * workers
    own = TRAINED * plan.parameters * plan.tokens * plan.rows / worker.flops
    drawn = own * np.exp(random.normal(0, pieces.step_spread, (steps, workers)))
    slowest = drawn.max(1)
    read = plan.rows * pieces.picture_bytes / min(worker.network, worker.storage / workers)
    decode = plan.rows * pieces.decode_seconds / worker.cores
    sent = reduce_seconds(design.gradient_bytes * plan.parameters, worker, workers)
    state_bytes = 4 * rows * plan.state_dim if design.gathers_rows else 4 * plan.state_dim**2
    coupled_rows = rows if design.gathers_rows else plan.rows
    parts = {
        "computing": float(drawn.mean()),
        "waiting for the slowest": float((slowest - drawn.mean(1)).mean()),
        "reading and decoding": float(np.maximum(0, max(read, decode) - slowest).mean()),
        "sending gradients": float(np.maximum(0, sent - BACKWARD * slowest).mean()),
        "sending rows": plan.coupled * 1.5 * reduce_seconds(state_bytes, worker, workers),
        "whole-batch terms": plan.coupled * TRAINED * coupled_rows * plan.state_dim**2 / worker.flops,
        "agreeing": 2 * rounds(workers) * worker.latency,
    }
    step_seconds = sum(parts.values())
    lost = lost_share(plan, worker, design, pieces, workers)
    speed = rows / step_seconds * (1 - lost)
    alone = plan.rows / max(own, read, decode)
    return Simulated(workers, step_seconds, parts, speed, speed / (workers * alone), lost)


def rounds(workers: int) -> int:
    """Rounds of a message through a tree of workers."""
    return math.ceil(math.log2(workers)) if workers > 1 else 0


def reduce_seconds(size: float, worker: ClusterWorker, workers: int) -> float:
    """Seconds of a ring all-reduce of so many bytes; each worker sends 2 (W - 1) / W of them.

    >>> core = ClusterWorker("", 1.0, 1, network=100.0, latency=0.0, memory=0.0)
    >>> reduce_seconds(100.0, core, 2), reduce_seconds(100.0, core, 1)
    (1.0, 0.0)
    """
    return 2 * (workers - 1) / workers * size / worker.network + 2 * rounds(workers) * worker.latency


def lost_share(plan: ScalePlan, worker: ClusterWorker, design: Design, pieces: Pieces, workers: int) -> float:
    """Share of the time for checkpoints, and for the work that a failure undoes, at the best interval (Young 1974)."""
    save = 12 * plan.parameters / (pieces.save_bytes * min(workers, design.saving_workers))
    failures = workers / (worker.mean_hours * HOUR)
    interval = math.sqrt(2 * save / failures)
    return min(0.99, save / interval + failures * (interval / 2 + worker.restart))


def totals(plan: ScalePlan, worker: ClusterWorker, pieces: Pieces, workers: int) -> dict[str, float]:
    """Bytes, operations and hours of the plan and around it, as the code is; each name says its unit."""
    store = plan.frames * pieces.picture_bytes
    states = 4 * plan.frames * plan.state_dim
    encoding = FORWARD * plan.parameters * plan.tokens * plan.frames
    save = 12 * plan.parameters
    return {
        "training, 10^18 operations": TRAINED / FORWARD * encoding / 1e18,
        "encoding once, 10^18 operations": encoding / 1e18,
        "store of JPEG pictures, TB": store / 1e12,
        "store of raw pixels, TB": plan.frames * 3 * PICTURE**2 / 1e12,
        "weights, gradients and moments in a worker, GB": 16 * plan.parameters / 1e9,
        "gradients sent by a worker in a step, GB": 2 * (workers - 1) / workers * 4 * plan.parameters / 1e9,
        "rows sent for a worker in a step, GB": plan.coupled * 3 * 4 * plan.rows * workers * plan.state_dim / 1e9,
        "encoded states in each process, TB": states / 1e12,
        "encoded states, multiple of a worker's memory": states / worker.memory,
        "recording, core-hours": plan.frames * pieces.act_seconds / HOUR,
        "decoding, core-hours": plan.frames * pieces.decode_seconds / HOUR,
        "verifying the store in each process, hours": store / pieces.verify_bytes / HOUR,
        "encoding once by all workers, hours": encoding / worker.flops / workers / HOUR,
        "checkpoint, GB": save / 1e9,
        "checkpoint by one process, seconds": save / pieces.save_bytes,
    }
