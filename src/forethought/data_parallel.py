"""Data parallelism: several processes share the rows of each batch, and take the step that one process would take.

Every process samples the indices and the noise of the whole batch from the same random stream and keeps its own rows
(`local_rows`). Terms that couple rows, such as variance or InfoNCE, read the rows of all processes (`whole_batch`). The mean of
the gradients over processes is then the gradient of the whole batch. Outside of a shared step these functions change nothing.

The processes are those of torchrun, or of a process group that exists already, as in a worker function of Ray Train.

Axes: B rows of the whole batch; each process has B / processes of them, in the order of ranks.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from forethought.errors import ForethoughtError, MainProcessError

T = TypeVar("T")
_CPU = torch.device("cpu")
_GOOD, _ERROR = b"+", b"-"
"""First byte of what the main process sends: a value, or the sentence of an error."""


@dataclass(frozen=True)
class TrainingProcesses:
    """The processes of a training. Rank 0 is the main one: it alone writes files and decides by the clock.

    Fields:
        rank: of this process, 0 to size - 1. size: number of processes.
        control: group for messages between CPUs; None for a single process.
    """

    rank: int = 0
    size: int = 1
    control: dist.ProcessGroup | None = None

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.size > 1

    def from_main(
        self,
        make: Callable[[], T],
        dump: Callable[[T], bytes] = lambda value: json.dumps(value).encode(),
        load: Callable[[bytes], T] = json.loads,
    ) -> T:
        """What `make` returns in the main process, in every process; the others do not call it.

        Args:
            make: returns the value. dump, load: the value as bytes and back; JSON by default.

        Raises:
            MainProcessError: in the other processes, where `make` raised a `ForethoughtError` in the main one.
        """
        if not self.several:
            return make()
        if self.is_main:
            try:
                value = make()
            except ForethoughtError as error:
                self._broadcast(_ERROR + str(error).encode())
                raise
            self._broadcast(_GOOD + dump(value))
            return value
        message = self._broadcast(b"")
        if message[:1] == _ERROR:
            raise MainProcessError(message[1:].decode())
        return load(message[1:])

    def _broadcast(self, message: bytes) -> bytes:
        """The main process's message, in all processes."""
        length = torch.tensor([len(message)])
        dist.broadcast(length, 0, group=self.control)
        content = torch.empty(int(length), dtype=torch.uint8)
        if self.is_main:
            content = torch.frombuffer(bytearray(message), dtype=torch.uint8)
        dist.broadcast(content, 0, group=self.control)
        return content.numpy().tobytes()

    def broadcast_state(self, *modules: nn.Module) -> None:
        """Give all parameters and buffers of these modules the values of the main process, in place."""
        if self.several:
            for module in modules:
                for value in module.state_dict().values():
                    dist.broadcast(value, 0)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over processes, without a gradient; NaN or infinity of one process is seen by all."""
        if not self.several:
            return values
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if not self.several:
            return flag
        raised = torch.tensor([int(flag)])
        dist.all_reduce(raised, dist.ReduceOp.MAX, group=self.control)
        return bool(raised)

    def in_chunks(
        self, rows: range, chunk: int, width: int, device: torch.device, work: Callable[[int, int], Tensor]
    ) -> Tensor:
        """Work on chunks of rows, the chunks in turn by the processes; every process gets the result of all of them.

        The chunks are those of one process, so the result does not depend on the number of processes.

        Args:
            rows: consecutive. chunk: rows at once. width: numbers that the work returns for each row. device: of the result.
            work: first row and the row after the last one to float32 [rows, width].

        Returns:
            float32 [len(rows), width].
        """
        bounds = [(first, min(first + chunk, rows.stop)) for first in rows[::chunk]]
        if not self.several:
            return torch.cat([work(first, last) for first, last in bounds])
        result = torch.zeros(len(rows), width, device=device)
        for first, last in bounds[self.rank :: self.size]:
            result[first - rows.start : last - rows.start] = work(first, last)
        dist.all_reduce(result)  # each row is in one process, and zero in the others
        return result

    @contextmanager
    def sharing_rows(self) -> Iterator[None]:
        """A context in which `local_rows` and `whole_batch` share the rows of a batch among these processes."""
        token = _SHARING.set(self)
        try:
            yield
        finally:
            _SHARING.reset(token)


ALONE = TrainingProcesses()
_SHARING: ContextVar[TrainingProcesses] = ContextVar("sharing rows", default=ALONE)


def local_rows(whole: Tensor, dim: int = 0) -> Tensor:
    """The rows of this process in a whole batch, along `dim`; all of them outside of a shared step."""
    processes = _SHARING.get()
    if not processes.several:
        return whole
    count = whole.shape[dim] // processes.size
    return whole.narrow(dim, processes.rank * count, count)


def whole_count(rows: int) -> int:
    """Rows of the whole batch, of which this process has `rows`: noise is sampled for all, and then `local_rows` of it kept."""
    return rows * _SHARING.get().size


def whole_batch(rows: Tensor) -> Tensor:
    """The rows of all processes, [B / processes, ...] to [B, ...], with gradient; the same tensor outside of a shared step."""
    processes = _SHARING.get()
    if not processes.several:
        return rows
    gathered: Tensor = _Gather.apply(rows, processes)  # type: ignore[no-untyped-call]
    return gathered


class _Gather(torch.autograd.Function):
    """All-gather along the first axis. Its gradient is the sum over processes, each of which has a loss of its own."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, processes: TrainingProcesses) -> Tensor:
        ctx.processes = processes
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(processes.size)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        with ctx.processes.sharing_rows():
            return local_rows(total), None


def launched_rank() -> int:
    """The rank that a launcher such as torchrun gave this process; 0 without one."""
    return int(os.environ.get("RANK", "0"))


def launched_size() -> int:
    """The number of processes of that launcher; 1 without one."""
    return int(os.environ["WORLD_SIZE"]) if {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys() else 1


@contextmanager
def joined(device: torch.device = _CPU) -> Iterator[TrainingProcesses]:
    """The processes of this training, as a context: those of an existing process group, or of torchrun's environment, or one.

    Without a group, torchrun's variables start one: NCCL between GPUs, one for each local rank, and gloo between CPUs.
    Within the context, processes other than the main one log errors only. `device`: what the processes compute on.

    Raises:
        ForethoughtError: another process ended.
    """
    own = dist.is_available() and not dist.is_initialized() and launched_size() > 1
    if own:
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        yield ALONE
        return
    processes = TrainingProcesses(dist.get_rank(), dist.get_world_size(), dist.new_group(backend="gloo"))
    logger = logging.getLogger("forethought")
    level = logger.level
    if not processes.is_main:
        logger.setLevel(logging.ERROR)
    try:
        yield processes
    except RuntimeError as error:
        if not _lost_connection(error):
            raise
        raise ForethoughtError(
            f"Rank {processes.rank} of {processes.size} lost another process of this training, whose own message says why: "
            "resume the run from its last checkpoint, with --resume."
        ) from error
    finally:
        logger.setLevel(level)
        if own:
            dist.destroy_process_group()


def _lost_connection(error: RuntimeError) -> bool:
    """Whether a collective failed because a process ended or hung."""
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in ("gloo", "connection", "nccl"))
