"""The default device of tensors: the chosen one, or CUDA if available, else Apple's MPS, else the CPU.

The same code runs on each.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import torch

from forethought.errors import ForethoughtError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 2**30
_CHOSEN: ContextVar[torch.device | None] = ContextVar("chosen device", default=None)
CONTAINER = Path("/sys/fs/cgroup")
"""Memory limits of a container (cgroup version 2)."""


def default_device() -> torch.device:
    """The device of `on_device`, or else the best one of this machine."""
    if (chosen := _CHOSEN.get()) is not None:
        return chosen
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@contextmanager
def on_device(name: str | None) -> Iterator[None]:
    """A context in which `default_device` is the device of that name: `cpu`, `cuda`, `cuda:1`, `mps`; None changes nothing.

    Raises:
        ForethoughtError: this machine has no such device.
    """
    token = _CHOSEN.set(_CHOSEN.get() if name is None else _available(name))
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def _available(name: str) -> torch.device:
    gpus = torch.cuda.device_count()
    known = ["cpu", *["cuda"] * bool(gpus), *(f"cuda:{number}" for number in range(gpus))]
    known += ["mps"] * torch.backends.mps.is_available()
    if name not in known:
        raise ForethoughtError(f"This machine has no device '{name}': choose {' or '.join(known)}.")
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """The name of a device: `cpu`, `mps`, or the model of a GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def sent(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the CPU on another device; to a GPU it is copied from pinned memory, beside what the GPU computes."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def available_memory(device: torch.device) -> int | None:
    """Bytes that can still be allocated on a device: free GPU memory, or main memory within the limits of a container.

    None where the system does not say.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return None
    amounts = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    free = 1024 * int(amounts["MemAvailable"].split()[0])
    limit, used = (_number_in(CONTAINER / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else min(free, max(0, limit - used))


def _number_in(path: Path) -> int | None:
    """The number in a file of the kernel; None without the file, or where it holds no number (`max`)."""
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text.isdigit() else None


@contextmanager
def one_thread(enabled: bool) -> Iterator[None]:
    """Run on one thread, if enabled: beside a busy process the threads of a small operation wait for each other."""
    threads = torch.get_num_threads()
    if enabled and threads > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def tune_glibc_malloc() -> None:
    """Ask glibc to reuse large blocks instead of returning them to the system after each batch.

    A training step allocates some hundred megabytes; new zeroed pages for them took a third of the step's time on a small
    virtual machine. It applies to the whole process, and has no effect without glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)


def memory_of_machine() -> int:
    """Bytes of main memory; a very large number where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**62
