"""Costs of the pieces of a training, measured on one core: reading, decoding, computing, sending, saving, acting.

What computes is measured in CPU seconds, which leave out other processes of the machine; what sends or saves in seconds.
"""

from __future__ import annotations

import io
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration, StreamSettings
from forethought.configurator import configure
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.device import one_thread
from forethought.perception import to_tensors
from forethought.perception.vit import TransformerBlock
from forethought.training.checkpoint import save_checkpoint
from forethought.training.phases import step_generator
from forethought.training.world_model_phase import WorldModelPhase

WORLD, EPISODES = "forethought/Rooms-v0", 64
PICTURE = 224
"""Side of a picture, pixels."""
WIDTH, TOKENS, CLIPS = 1024, 64, 2
"""Of the transformer block whose speed is measured."""
SENT, SAVED = 2**25, 2**26
"""Bytes of a measured all-reduce and of a measured checkpoint."""


@dataclass(frozen=True)
class Pieces:
    """What each piece costs on one core of this machine.

    Fields:
        act_seconds: one step of `Rooms`, recorded, with its picture.
        read_seconds: one row of a store in random order, as tensors. row_bytes: of that row.
        verify_bytes: bytes per second of a store's checksums.
        decode_seconds: one JPEG picture of 224 x 224. picture_bytes: of that file.
        block_flops: floating-point operations per second, forward and backward through a transformer block, float32.
        step_seconds: one step of the world model, configured for `Rooms`. step_flops: operations per second in it.
        step_spread: standard deviation of the logarithm of a step's seconds.
        reduce_bytes: bytes per second of an all-reduce between two processes, by gloo. reduce_seconds: of 8 bytes.
        save_bytes: bytes per second of a checkpoint.
    """

    act_seconds: float
    read_seconds: float
    row_bytes: float
    verify_bytes: float
    decode_seconds: float
    picture_bytes: float
    block_flops: float
    step_seconds: float
    step_flops: float
    step_spread: float
    reduce_bytes: float
    reduce_seconds: float
    save_bytes: float


def measure(repeats: int = 7) -> Pieces:
    """Measure all pieces on one thread; each figure is the median of so many repeats."""
    with tempfile.TemporaryDirectory() as name, one_thread(True):
        folder = Path(name)
        began = time.process_time()
        store = collect(WORLD, out=folder / "store", episodes=EPISODES, workers=0, progress=False, options={"max_steps": 50})
        found = {"act_seconds": (time.process_time() - began) / int(store.lengths.sum() * store.block)}
        size = sum(path.stat().st_size for path in store.path.rglob("*.npy"))
        found["verify_bytes"] = size / _seconds(store.verify, repeats, time.perf_counter)
        configuration = configure(store.spec, store.block, store.statistics())
        found |= _reading(store, configuration.data.streams, repeats) | _decoding(repeats) | _block(repeats)
        found |= _step(store, configuration, repeats)
        found |= dict(zip(("reduce_bytes", "reduce_seconds"), all_reduce(repeats), strict=True))
        tensors = {"agent": {"weights": torch.randn(SAVED // 4)}}
        saved = _seconds(lambda: save_checkpoint(folder / "run", 0, tensors, {}), repeats, time.perf_counter)
        found["save_bytes"] = SAVED / saved
    return Pieces(**{field.name: float(found[field.name]) for field in fields(Pieces)})


def _times(work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.process_time) -> list[float]:
    """Seconds of each of so many repeats; the first call warms up."""
    work()
    spent = []
    for _ in range(repeats):
        began = clock()
        work()
        spent.append(clock() - began)
    return spent


def _seconds(work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.process_time) -> float:
    return median(_times(work, repeats, clock))


def _reading(store: EpisodeStore, streams: tuple[StreamSettings, ...], repeats: int) -> dict[str, float]:
    count = 512
    rows = np.random.default_rng(0).permutation(store.num_rows)[:count]

    def read() -> None:
        to_tensors({one.name: store.rows(one.name, rows) for one in streams}, streams, torch.device("cpu"))

    row_bytes = sum(store.rows(one.name, rows[:1]).nbytes for one in streams)
    return {"read_seconds": _seconds(read, repeats) / len(rows), "row_bytes": row_bytes}


def _decoding(repeats: int) -> dict[str, float]:
    """A picture of smooth colours with noise, which JPEG stores in about as many bytes as a photograph."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 255, (14, 14, 3), np.uint8)).resize(
        (PICTURE, PICTURE), Image.Resampling.BICUBIC
    )
    noisy = np.clip(np.asarray(coarse, np.int16) + random.normal(0, 6, (PICTURE, PICTURE, 3)), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=85)
    data, many = file.getvalue(), 20

    def decode() -> None:
        for _ in range(many):
            np.asarray(Image.open(io.BytesIO(data)))

    return {"decode_seconds": _seconds(decode, repeats) / many, "picture_bytes": len(data)}


def _block(repeats: int) -> dict[str, float]:
    block, tokens = TransformerBlock(WIDTH, WIDTH // 64), torch.randn(CLIPS, TOKENS, WIDTH)

    def learn() -> None:
        torch.autograd.backward(block(tokens).sum())

    with FlopCounterMode(display=False) as counted:
        learn()
    return {"block_flops": counted.get_total_flops() / _seconds(learn, repeats)}


def _step(store: EpisodeStore, configuration: Configuration, repeats: int) -> dict[str, float]:
    modules = AgentNetworks(configuration)
    phase = WorldModelPhase(modules, store, configuration, ActionCodec(configuration.data, torch.device("cpu")))
    phase.start()

    def learn() -> None:
        torch.autograd.backward(phase.step(0, step_generator(0, phase.name, 0))[0])

    with FlopCounterMode(display=False) as counted:
        learn()
    spent = _times(learn, 3 * repeats)
    spread = float(np.std(np.log(spent)))
    return {"step_seconds": median(spent), "step_flops": counted.get_total_flops() / median(spent), "step_spread": spread}


def all_reduce(repeats: int) -> tuple[float, float]:
    """Bytes per second of a large all-reduce between two processes of this machine, and seconds of a small one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=_send, args=(1, port, repeats))
    other.start()
    try:
        return _send(0, port, repeats)
    finally:
        other.join(60)
        with suppress(ValueError):
            other.kill()


def _send(rank: int, port: int, repeats: int) -> tuple[float, float]:
    """One of the two processes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        large, small = torch.ones(SENT // 4), torch.ones(2)
        seconds = _seconds(lambda: dist.all_reduce(large), repeats, time.perf_counter)
        return SENT / seconds, _seconds(lambda: dist.all_reduce(small), 10 * repeats, time.perf_counter)
    finally:
        dist.destroy_process_group()
