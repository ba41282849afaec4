"""Workers on a Ray cluster: each is an actor that carries one process of the worker program on its node.

The units run in the same program as on one machine, so their numbers are the same bit for bit. Ray places the actors, and tells
when a node is gone. Only packed units and messages cross between the nodes; datasets are read where the worker is.
"""

from __future__ import annotations

import importlib
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from forethought.errors import ForethoughtError
from forethought.execution.contract import Crew, Executor, Hear
from forethought.execution.dialogue import Dialogue, DialogueEnded, silent
from forethought.execution.pool import Pool, Post, Worker
from forethought.execution.wire import pack, unpack
from forethought.execution.worker_process import PROGRAM, Program
from forethought.extras import require_extra

OUTSTANDING = 16
"""Messages of a worker that wait for the driver at most; then the worker waits, and the object store stays bounded."""
STOP_SECONDS = 5.0
"""Seconds that a carrier has to stop its process before its own is killed."""


class Carrier:
    """The actor: starts the process on its node, and passes bytes in both directions."""

    def __init__(self, path: Sequence[str], folder: str, module: str = PROGRAM) -> None:
        """Start it.

        Args:
            path: the driver's path of imports. folder: the driver's; the process works there, if this node has it, too.
            module: what the process runs.
        """
        self._program = Program(module, path, cwd=folder if Path(folder).is_dir() else None)

    def messages(self) -> Iterator[bytes | str]:
        """What the process says; at last, how it ended."""
        while (message := self._program.receive()) is not None:
            yield message
        yield self._program.kill()

    def give(self, unit: bytes) -> None:
        """Pass a packed unit on."""
        self._program.send(unit)

    def stop(self) -> None:
        """Kill the process."""
        self._program.kill()


class RayWorker(Worker):
    """The driver's side of a carrier, and the thread that hears it."""

    def __init__(self, post: Post, ray: Any, carriers: Any, arguments: tuple[Sequence[str], str]) -> None:
        """Ask the cluster for one. `ray`: the package. carriers: the actor's class. arguments: of `Carrier`."""
        super().__init__()
        self._ray, self._ended = ray, "its node or its Ray process is gone"
        self._gone = True
        self._carrier = carriers.remote(*arguments)
        self._reader = threading.Thread(target=self._read, args=(post,), daemon=True)
        self._reader.start()

    def _read(self, post: Post) -> None:
        try:
            stream = self._carrier.messages.options(_generator_backpressure_num_objects=OUTSTANDING).remote()
            for reference in stream:
                message = self._ray.get(reference)
                if isinstance(message, str):
                    self._ended, self._gone = f"its process died ({message})", False
                    break
                post(self, message)
        except Exception as error:  # Ray's own, of many kinds: the actor or its node is gone, or the object store is full
            lines = str(error).strip().splitlines()
            self._ended += f" ({type(error).__name__}{': ' + lines[-1] if lines and not self.ready else ''})"
        post(self, None)

    def give(self, unit: bytes) -> None:
        """See `Worker`."""
        self._carrier.give.remote(unit)

    def stop(self) -> tuple[str, bool]:
        """See `Worker`."""
        _kill(self._ray, self._carrier)
        return self._ended, self._gone


class RayDialogue(Dialogue):
    """With a process on a node of the cluster; a thread hears its carrier."""

    def __init__(self, ray: Any, carriers: Any, arguments: tuple[Sequence[str], str], module: str) -> None:
        """Ask the cluster for a carrier. `ray`: the package. carriers: the actor's class. arguments, module: of `Carrier`."""
        self._ray, self._heard = ray, queue.Queue[bytes | str]()
        self._carrier = carriers.remote(*arguments, module)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """What the process says, and at last how it ended."""
        try:
            for reference in self._carrier.messages.options(_generator_backpressure_num_objects=OUTSTANDING).remote():
                self._heard.put(self._ray.get(reference))
        except Exception as error:  # see `RayWorker`
            self._heard.put(f"its node or its Ray process is gone, {type(error).__name__}")

    def send(self, message: object) -> None:
        """See `Dialogue`."""
        self._carrier.give.remote(pack(message))

    def receive(self, limit: float) -> Any:
        """See `Dialogue`."""
        while not self.dead:
            try:
                heard = self._heard.get(timeout=limit)
            except queue.Empty:
                self.close()
                raise silent(limit) from None
            if isinstance(heard, str):
                self.close()
                raise DialogueEnded(f"its process died ({heard})")
            if (message := unpack(heard)) is not None:
                return message
        raise DialogueEnded("its process died")

    def close(self) -> None:
        """See `Dialogue`."""
        if not self.dead:
            self.dead = True
            _kill(self._ray, self._carrier)


def _kill(ray: Any, carrier: Any) -> None:
    """Kill a carrier's process, and the carrier, whatever has become of them."""
    with suppress(Exception):
        ray.get(carrier.stop.remote(), timeout=STOP_SECONDS)
    with suppress(Exception):
        ray.kill(carrier)


class RayCluster(Executor):
    """Workers on all nodes of a Ray cluster, one CPU each."""

    def __init__(self, address: str = "auto", workers: int | None = None) -> None:
        """Connect, unless this process is connected.

        Args:
            address: `auto`, the cluster of this machine, or HOST:PORT of a cluster's head. workers: None: the CPUs of the
                cluster.

        Raises:
            MissingExtraError: Ray is not installed.
            ForethoughtError: there is no cluster.
        """
        require_extra("cluster")
        self._ray = importlib.import_module("ray")
        if not self._ray.is_initialized():
            try:
                self._ray.init(address=address, configure_logging=False, log_to_driver=True)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise ForethoughtError(
                    f"there is no Ray cluster at {address!r} ({type(error).__name__}): start one with `ray start --head`, or "
                    "give the HOST:PORT of its head with --cluster."
                ) from error
        elif address not in ("auto", here := self._ray.get_runtime_context().gcs_address):
            raise ForethoughtError(f"this process works on the Ray cluster at {here}: use that one, or another process.")
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def open(self, hear: Hear, patience: float | None = None, claim: tuple[int, ...] = ()) -> Crew:
        """See `Executor`."""
        carriers, arguments = self._carriers()
        return Pool(lambda post: RayWorker(post, self._ray, carriers, arguments), self.workers, hear, patience)

    def converse(self, module: str) -> Dialogue:
        """See `Executor`."""
        return RayDialogue(self._ray, *self._carriers(), module)

    def _carriers(self) -> tuple[Any, tuple[Sequence[str], str]]:
        """The class of carriers, and the arguments of each."""
        # Three threads: one carries messages, one units, and one stops the process while the others wait.
        actor = self._ray.remote(num_cpus=1, max_concurrency=3, scheduling_strategy="SPREAD", max_restarts=0)(Carrier)
        return actor, ([os.path.abspath(folder) for folder in sys.path], os.getcwd())
