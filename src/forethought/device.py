"""The default device of tensors: CUDA if available, else Apple's MPS, else the CPU. The same code runs on each."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 2**30


def default_device() -> torch.device:
    """The best device of this machine."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def device_name(device: torch.device) -> str:
    """The name of a device: `cpu`, `mps`, or the model of a GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


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
