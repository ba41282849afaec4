"""What a GPU gives: training frames and decisions a second, and their share of its peak, against the CPU in the same run.

Agent and store are those of `Rooms`, as the configurator sets them up; the weights are untrained, because only seconds count.
Each piece runs for a few seconds, and none begins once the budget of seconds is spent.

Axes: B episodes that are planned for at once.
"""

from __future__ import annotations

import copy
import logging
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from forethought.action_codec import ActionCodec
from forethought.agent import Agent
from forethought.config import Configuration
from forethought.configurator import configure
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.device import device_name
from forethought.errors import ForethoughtError
from forethought.evaluation.result_rows import row, write_results
from forethought.training.agent_files import untrained_networks
from forethought.training.measured_speed import Arithmetic, time_steps
from forethought.training.phases import step_generator
from forethought.training.record import frames_of
from forethought.training.world_model_phase import WorldModelPhase
from forethought.types import Task

log = logging.getLogger(__name__)
NAME, WORLD = "gpu", "forethought/Rooms-v0"
PEAKS: Mapping[str, Mapping[str, float | None]] = MappingProxyType(
    {
        "H200": {"float32": 67e12, "bfloat16": 989e12},
        "H100 PCIe": {"float32": 51e12, "bfloat16": 756e12},
        "H100": {"float32": 67e12, "bfloat16": 989e12},
        "A100": {"float32": 19.5e12, "bfloat16": 312e12},
        "L40S": {"float32": 91.6e12, "bfloat16": 362e12},
        "L4": {"float32": 30.3e12, "bfloat16": 121e12},
        "T4": {"float32": 8.1e12, "bfloat16": None},
    }
)
"""Operations per second by NVIDIA's data sheets, dense: float32 without tensor cores, bfloat16 with them."""
PLAIN = Arithmetic("float32", compile=False)


@dataclass(frozen=True)
class GpuProtocol:
    """What is measured.

    Fields:
        seconds: of the whole benchmark; a piece for which too few are left is left out.
        compile_seconds: kept for a piece that compiles.
        episodes: of the store. batches: B of the decisions. decisions: of each B, at most. piece_seconds: of each B.
        trainings: how the world model computes on the GPU, and `cpu_trainings` on the CPU.
        planners: whether rollouts are compiled, on the GPU.
    """

    seconds: float = 360.0
    compile_seconds: float = 100.0
    episodes: int = 64
    batches: Sequence[int] = (1, 64, 1024)
    decisions: int = 20
    piece_seconds: float = 5.0
    trainings: Sequence[Arithmetic] = (PLAIN, Arithmetic("bfloat16", compile=False), Arithmetic("bfloat16", compile=True))
    cpu_trainings: Sequence[Arithmetic] = (PLAIN, Arithmetic("bfloat16", compile=False))
    planners: Sequence[bool] = (False, True)


def peak(device: str, precision: str) -> float | None:
    """Operations per second of a device by its data sheet; None where it is not listed."""
    names = [name for name in PEAKS if re.search(rf"\b{re.escape(name)}\b", device)]
    return PEAKS[max(names, key=len)][precision] if names else None


def run(out: Path, protocol: GpuProtocol | None = None, device: str = "cuda") -> Path:
    """Measure on a device and on the CPU, and write the rows; `device` is `cpu` to try the benchmark itself.

    Raises:
        ForethoughtError: there is no CUDA device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ForethoughtError(f"not measured: no CUDA device; run `forethought bench {NAME}` on a machine with one.")
    chosen = GpuProtocol() if protocol is None else protocol
    with tempfile.TemporaryDirectory() as folder:
        store = collect(
            WORLD, out=Path(folder) / "store", episodes=chosen.episodes, workers=0, progress=False, options={"max_steps": 50}
        )  # fmt: skip
        bench = GpuBench(store, configure(store.spec, store.block, store.statistics()), chosen)
        rows = [
            *bench.rows(torch.device(device), chosen.trainings, chosen.planners),
            *bench.rows(torch.device("cpu"), chosen.cpu_trainings, (False,)),
        ]
    return write_results(out, NAME, rows)


class GpuBench:
    """The measurements of one store and configuration, on any device, within one budget of seconds."""

    def __init__(self, store: EpisodeStore, configuration: Configuration, protocol: GpuProtocol) -> None:
        """The budget begins to run."""
        self.store, self.configuration, self.protocol = store, configuration, protocol
        self.networks = untrained_networks(configuration)
        self.begun = time.monotonic()

    def rows(self, device: torch.device, trainings: Sequence[Arithmetic], planners: Sequence[bool]) -> Iterator[dict[str, Any]]:
        """All rows of one device; a piece for which no time is left has none, and the log says so."""
        for arithmetic in trainings:
            if self._has_time(f"training in {arithmetic} on {device}", self.protocol.piece_seconds, arithmetic.compile):
                yield self._training(device, arithmetic)
        for compiled in planners:
            expected = self.protocol.piece_seconds
            for batch in self.protocol.batches:
                if self._has_time(f"decisions of {batch} episodes on {device}", expected, compiled):
                    found = self._decisions(device, batch, compiled)
                    # A larger batch is never slower per episode, so this bounds the first decision of the next.
                    larger = max([size for size in self.protocol.batches if size > batch], default=batch)
                    expected = found["ms_per_decision"][0] / 1000 * larger / batch + self.protocol.piece_seconds
                    yield found

    def _has_time(self, what: str, expected: float, compiled: bool) -> bool:
        left = self.begun + self.protocol.seconds - time.monotonic()
        enough = left > expected + (self.protocol.compile_seconds if compiled else 0.0)
        if not enough:
            log.warning("Not measured, because of %g s too little is left: %s.", self.protocol.seconds, what)
        return enough

    def _phase(self, device: torch.device, arithmetic: Arithmetic) -> WorldModelPhase:
        networks = copy.deepcopy(self.networks).to(device)
        body = ActionCodec(self.configuration.data, device)
        return WorldModelPhase(networks, self.store, arithmetic.of(self.configuration), body)

    def _training(self, device: torch.device, arithmetic: Arithmetic) -> dict[str, Any]:
        """Frames per second of the world model's phase."""
        timing = time_steps(self._phase(device, arithmetic), self.configuration.training.seed, device, arithmetic)
        frames, flops = frames_of(self.configuration, 1), self.step_flops
        compiling = timing.first_seconds if arithmetic.compile else None
        return self._row(
            device, str(arithmetic), "train_frames_per_second", frames / timing.seconds,
            operations=flops / timing.seconds, precision=arithmetic.precision, compile_seconds=compiling, train_frames=frames,
        )  # fmt: skip

    @cached_property
    def step_flops(self) -> float:
        """Operations of one step, forward and backward: products and convolutions."""
        phase = self._phase(torch.device("cpu"), PLAIN)
        phase.start()
        try:
            with FlopCounterMode(display=False) as counter:
                loss, _ = phase.step(0, step_generator(0, phase.name, 0))
                torch.autograd.backward(loss)
        finally:
            phase.abandon()
        return float(counter.get_total_flops())

    def _decisions(self, device: torch.device, batch: int, compiled: bool) -> dict[str, Any]:
        """Decisions per second of B episodes in Mode-2: all that `Agent.act` does at the start of a block."""
        agent = self._agent(device, compiled)
        first, spent = time.perf_counter(), list[float]()
        self._decide(agent, batch)  # warms up, and compiles
        first = time.perf_counter() - first
        begun = time.perf_counter()
        while not spent or (len(spent) < self.protocol.decisions and time.perf_counter() - begun < self.protocol.piece_seconds):
            spent.append(self._decide(agent, batch))
        seconds = statistics.median(spent)
        return self._row(
            device, f"plan{', compiled' if compiled else ''}, {batch} episodes", "decisions_per_second", batch / seconds,
            operations=batch * self.decision_flops / seconds, precision="float32", compile_seconds=first if compiled else None,
            ms_per_decision=[1000 * seconds, 1000 * max(spent)], gflops_per_decision=self.decision_flops / 1e9, n=len(spent),
        )  # fmt: skip

    @cached_property
    def decision_flops(self) -> float:
        """Operations of the decision of one episode: products and convolutions, without distances to dataset states."""
        with FlopCounterMode(display=False) as counter:
            self._decide(self._agent(torch.device("cpu"), compiled=False), 1)
        return float(counter.get_total_flops())

    def _agent(self, device: torch.device, compiled: bool) -> Agent:
        settings = self.configuration.planner.model_copy(update={"compile": compiled})
        configuration = self.configuration.model_copy(update={"planner": settings})
        return Agent(configuration, copy.deepcopy(self.networks), device)

    def _decide(self, agent: Agent, batch: int) -> float:
        """Seconds of the first decision of B episodes, from and to states of the store."""
        count, streams = self.store.num_rows, self.configuration.data.streams
        start, goal = (
            {stream.name: self.store.rows(stream.name, (np.arange(batch) + offset) % count) for stream in streams}
            for offset in (0, count // 2)
        )
        agent.reset(Task.reach(goal), seed=0)
        begun = time.perf_counter()
        agent.act(start, "plan")  # the actions are on the CPU, so the device is done
        return time.perf_counter() - begun

    def _row(
        self, device: torch.device, agent: str, metric: str, value: float, *, operations: float, precision: str,
        compile_seconds: float | None, **fields: Any,
    ) -> dict[str, Any]:  # fmt: skip
        name = device_name(device)
        most = peak(name, precision)
        share = None if most is None else operations / most
        log.info("%s on %s: %.4g %s, %s of its peak", agent, name, value, metric, "unknown share" if share is None else share)
        return row(WORLD, agent, metric, value, device=name, **fields) | {
            "precision": precision,
            "flops_per_second": operations,
            "share_of_peak": share,
            "compile_seconds": compile_seconds,
        }
