"""Several processes on this machine, as torchrun starts them, each of which does the same work."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

import torch

CONTEXT = multiprocessing.get_context("forkserver")
# What the first optimizer imports is here before the processes are: it takes each more than a second.
CONTEXT.set_forkserver_preload(["forethought.training.train", "gymnasium", "torch._dynamo"])
SECONDS = 300


def exit_codes(size: int, work: Callable[..., Any], *given: Any) -> list[int | None]:
    """Do `work(*given)` in `size` processes; the exit code of each rank, None for one that hangs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launched = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [CONTEXT.Process(target=_begin, args=(rank, launched, work, given)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes


def in_processes(size: int, work: Callable[..., Any], *given: Any) -> None:
    """The same, where no process may fail."""
    assert exit_codes(size, work, *given) == [0] * size


def _begin(rank: int, launched: Mapping[str, str], work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    os.environ |= {**launched, "RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    work(*given)
