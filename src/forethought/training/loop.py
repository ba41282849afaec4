"""The training loop of every phase: optimise, monitor, log, checkpoint, stop cleanly, resume exactly."""

from __future__ import annotations

import json
import logging
import math
import shutil
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from forethought.atomic_io import write_bytes, writing
from forethought.config import TrainingConfig
from forethought.data_parallel import ALONE, TrainingProcesses
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.training.checkpoint import (
    NOTHING_FROZEN,
    Checkpoint,
    FrozenWeights,
    keep_frozen,
    match_leaves,
    optimizer_tensors,
    require_position,
    restore_optimizer,
    restored_weights,
    save_checkpoint,
)
from forethought.training.clock import Pace, StartLimit, TrainingClock
from forethought.training.former_weights import with_present_names
from forethought.training.phases import Phase
from forethought.training.progress import Progress
from forethought.training.shared_step import LossOfStep, loss_in_processes, means
from forethought.training.threads import Threads

log = logging.getLogger(__name__)
WARM_UP = 100
FLOOR = 0.05
LOG_EVERY = 50
MONITOR_EVERY = 250
PHASE_STRIDE = 10_000_000


def rate_at(step: int, steps: int) -> float:
    """Learning-rate factor: linear warm-up over 100 steps, then a cosine down to 5 %."""
    return min(1.0, (step + 1) / WARM_UP) * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * step / max(steps, 1))))


class MetricsLogger:
    """Metrics of a run: one JSON line per record in `log.jsonl`, the same in TensorBoard files."""

    def __init__(self, run: Path, resumed: Mapping[str, float] | None = None) -> None:
        """Continue the run's files from a checkpoint: what was logged after it will be logged again, and is deleted.

        Args:
            run: the run's folder.
            resumed: phase -> its step at the checkpoint; records of later steps or other phases are deleted. None: keep all.
        """
        from torch.utils.tensorboard import SummaryWriter

        self.path, board = run / "log.jsonl", run / "tensorboard"
        records = _read_records(self.path)
        kept = [one for one in records if resumed is None or one["step"] <= resumed.get(one["phase"], -1)]
        if self.path.exists():
            write_bytes(self.path, "".join(json.dumps(one) + "\n" for one in kept).encode())
        # TensorBoard can only append, and purges by step across all phases: its files are written anew from the log.
        shutil.rmtree(board, ignore_errors=True)
        with writing(run):
            self.board = SummaryWriter(str(board))
            for record in kept:
                self._show(record)

    def write(self, phase: str, step: int, figures: dict[str, float | list[str]]) -> None:
        """Append one record."""
        with writing(self.path), self.path.open("a") as file:
            file.write(json.dumps({"phase": phase, "step": step, **figures}) + "\n")
        self._show({"phase": phase, "step": step, **figures})

    def _show(self, record: Mapping[str, Any]) -> None:
        """Add the figures of a record to TensorBoard."""
        for name, value in record.items():
            if isinstance(value, float):
                self.board.add_scalar(f"{record['phase']}/{name}", value, record["step"])

    def close(self) -> None:
        """Flush TensorBoard."""
        with writing(self.path.parent):
            self.board.close()


def _read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a log; lines that a kill cut off are left out."""
    records = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int) and isinstance(record.get("phase"), str):
            records.append(record)
    return records


def run_phases(
    agent: nn.Module,
    phases: Sequence[Phase],
    run: Path,
    settings: TrainingConfig,
    begun: Checkpoint | None,
    clock: TrainingClock | None = None,
    threads: Threads | None = None,
    processes: TrainingProcesses = ALONE,
) -> dict[str, float]:
    """Run the phases in order, from the checkpoint `begun` on.

    Args:
        agent: all networks of the agent. Every checkpoint holds their weights, except those that are frozen from the start,
            which are stored once.
        phases: in order; phases before the checkpoint's phase are complete.
        run: the run's folder. settings: seed, and steps between checkpoints.
        begun: the checkpoint to resume from, or None.
        clock: decides the number of steps by a time budget; None for the planned steps.
        threads: chooses the number of threads; None for all.
        processes: those that train together; only the main one has a clock, and reads and writes in `run`. `begun` of the
            others holds the progress and the optimiser.

    Returns:
        Wall-clock seconds of each phase, including those of earlier processes.

    Raises:
        ForethoughtError: the checkpoint's phase is none of `phases`.
        NonFiniteError: a loss term or a gradient is not finite; names term, phase and step.
        KeyboardInterrupt: Ctrl-C, after the current step and a checkpoint.
    """
    names = [phase.name for phase in phases]
    start, seconds = 0, dict[str, float]()
    if begun:
        require_position(begun)
        if (phase_name := str(begun.progress["phase"])) not in names:
            raise ForethoughtError(
                f"{run} stopped in phase '{phase_name}', which this training lacks ({', '.join(names)}): resume it with "
                "the method that it was started with."
            )
        start, seconds = names.index(phase_name), dict(begun.progress["seconds"])
        if processes.is_main:
            weights = with_present_names(restored_weights(run, begun), agent.state_dict())
            match_leaves(weights, agent.state_dict(), f"the checkpoint of {run}")
            agent.load_state_dict(weights)
    processes.broadcast_state(agent)
    # Before any phase: a later phase may freeze parameters that an earlier one trained.
    frozen = keep_frozen(run, agent) if processes.is_main else NOTHING_FROZEN
    resumed: dict[str, float] = dict.fromkeys(names[:start], math.inf)
    if begun:
        resumed[names[start]] = int(begun.progress["step"])
    logger = MetricsLogger(run, resumed) if processes.is_main else None
    timed = processes.from_main(lambda: clock is not None)
    if clock is not None:
        clock.schedule(phases)
    try:
        for index, phase in enumerate(phases[start:], start):
            phase.processes = processes
            runner = PhaseRunner(agent, phase, index, run, settings, seconds, logger, frozen, clock)
            runner.timed = timed
            if threads is not None:
                threads.begin(phase.name, names, int(begun.progress["step"]) if begun and index == start else 0)
                runner.threads = threads
            runner.learn(begun if index == start else None)
    finally:
        if logger is not None:
            logger.close()
    return seconds


class _Interruption:
    """Defers Ctrl-C to the end of the step, so that no checkpoint holds half a step; a second Ctrl-C takes effect at once."""

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> _Interruption:
        # Only the main thread may set signal handlers.
        self.in_main_thread = threading.current_thread() is threading.main_thread()
        if self.in_main_thread:
            self.previous_handler = signal.signal(signal.SIGINT, self._request) or signal.default_int_handler
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.in_main_thread:
            signal.signal(signal.SIGINT, self.previous_handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, self.previous_handler)


class PhaseRunner:
    """Runs one phase in this process, together with the other processes of the phase; the main one writes and decides."""

    def __init__(
        self, agent: nn.Module, phase: Phase, index: int, run: Path, settings: TrainingConfig,
        seconds: dict[str, float], logger: MetricsLogger | None, frozen: FrozenWeights = NOTHING_FROZEN,
        clock: TrainingClock | None = None,
    ) -> None:  # fmt: skip
        self.frozen, self.clock = frozen, clock
        self.pace = None if clock is None else Pace(clock, phase)
        self.threads: Threads | None = None
        self.timed = clock is not None
        self.agent, self.phase, self.index, self.run = agent, phase, index, run
        self.settings, self.seconds, self.logger, self.processes = settings, seconds, logger, phase.processes
        phase.extras.to(next(agent.parameters()).device)
        groups = [group for group in phase.groups() if group.parameters]
        self.rates = [group.rate for group in groups]
        self.steps = phase.steps if groups else 0
        if not groups:
            log.info("Phase '%s' is skipped: all of its parameters are frozen.", phase.name)
            return
        self.optimizer = torch.optim.AdamW(
            [{"params": group.parameters} for group in groups],
            lr=phase.learning_rate, weight_decay=phase.weight_decay, foreach=True,
        )  # fmt: skip
        self.trained = [parameter for group in groups for parameter in group.parameters]

    def learn(self, begun: Checkpoint | None) -> None:
        """Run the phase to its end; on Ctrl-C save a checkpoint and raise KeyboardInterrupt."""
        first = 0
        if self.steps == 0 and self.phase.steps:
            self.seconds.setdefault(self.phase.name, 0.0)
            return
        if begun is not None:
            first = int(begun.progress["step"])
            if self.processes.is_main:
                extras = with_present_names(begun.tensors["extras"], self.phase.extras.state_dict())
                match_leaves(extras, self.phase.extras.state_dict(), f"the checkpoint at {begun.path}")
                self.phase.extras.load_state_dict(extras)
            restore_optimizer(self.optimizer, begun.tensors["optimizer"])
        if self.pace is not None:
            self.pace.reach(first)
        self._agree_on_steps()
        if begun is not None and first >= self.phase.steps:
            return
        self.started, self.seconds_before = time.monotonic(), self.seconds.get(self.phase.name, 0.0)
        if self.clock is not None:
            self.clock.begin(self.phase.name)
            self.phase.limit = StartLimit(self.clock, self.phase)
        self.phase.start()
        self.processes.broadcast_state(self.agent, self.phase.extras)
        loss_of = loss_in_processes(self.phase, self.trained, self.settings.seed, self.processes)
        shown = self.processes.is_main
        with Progress(self.phase.name, self.phase.steps, first, shown) as bar, _Interruption() as interruption:
            step = first
            while step < self.phase.steps:
                self._regulate(step, bar)
                loss, terms = _step(self.phase, self.optimizer, self.rates, step, loss_of)
                done = step + 1
                if done == self.phase.steps:
                    self.phase.finish()
                self._report(done, loss, terms, bar)
                if self.processes.any(interruption.requested):
                    self._save(done)
                    raise KeyboardInterrupt
                if done % self.settings.checkpoint_every == 0 and done < self.phase.steps:
                    self._save(done)
                step = done
        self._save(self.phase.steps)

    def _regulate(self, step: int, bar: Progress) -> None:
        """Before a step: the number of threads, and the number of steps that a time budget allows."""
        if self.threads is not None:
            self.threads.before(step)
        if self.pace is not None:
            self.pace.before(step)
        self._agree_on_steps()
        if bar.total != self.phase.steps:
            bar.resize(self.phase.steps)

    def _agree_on_steps(self) -> None:
        """The number of steps that the main process's clock allows holds in all processes."""
        if self.timed and self.processes.several:
            for part, steps in self.processes.from_main(self.phase.parts).items():
                self.phase.resize(part, steps)

    def _report(self, done: int, loss: Tensor, terms: Mapping[str, Tensor], bar: Progress) -> None:
        if self.logger is None:
            return
        last = done == self.phase.steps
        if done % LOG_EVERY == 0 or last:
            figures: dict[str, float | list[str]] = {name: float(term) for name, term in terms.items()}
            bar.show(done, {"loss": float(loss)} | {name: float(term) for name, term in terms.items()})
            self.logger.write(self.phase.name, done, {"loss": float(loss), **figures})
        if done % MONITOR_EVERY == 0 or last:
            figures = self.phase.monitor()
            if figures:
                self.logger.write(self.phase.name, done, figures)
            alarms = figures.get("alarms", [])
            for alarm in alarms if isinstance(alarms, list) else []:
                log.warning("%s, step %d: %s", self.phase.name, done, alarm)

    def _save(self, step: int) -> None:
        if not self.processes.is_main:
            return
        self.seconds[self.phase.name] = self.seconds_before + time.monotonic() - self.started
        before = 0.0 if self.clock is None else self.clock.elapsed
        tensors = {
            "agent": {name: value for name, value in self.agent.state_dict().items() if name not in self.frozen.names},
            "extras": self.phase.extras.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer),
        }
        progress = {"phase": self.phase.name, "step": step, "seconds": dict(self.seconds)}
        if self.processes.several:
            progress["processes"] = self.processes.size
        if self.frozen.digest:
            progress["frozen"] = self.frozen.digest
        if self.clock is not None:
            progress["elapsed"] = self.clock.elapsed
        # Checkpoints of later phases must sort after those of earlier phases, whatever their lengths.
        save_checkpoint(self.run, self.index * PHASE_STRIDE + step, tensors, progress)
        if self.clock is not None:
            self.clock.saved(self.clock.elapsed - before)


def _step(
    phase: Phase, optimizer: torch.optim.Optimizer, rates: Sequence[float], step: int, loss_of: LossOfStep
) -> tuple[Tensor, dict[str, Tensor]]:
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * phase.learning_rate * rate_at(step, phase.steps)
    loss, terms = loss_of(step)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    norm = torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 1.0)
    loss, terms = means(loss, terms, phase.processes)
    if not torch.isfinite(loss) or not torch.isfinite(norm):
        not_finite = [name for name, term in terms.items() if not torch.isfinite(term)]
        raise NonFiniteError(
            f"NaN or infinity in phase '{phase.name}' at step {step}, in "
            f"{', '.join(not_finite) or 'the gradient'}: the last checkpoint is intact; "
            "start a new run with a lower training.learning_rate."
        )
    optimizer.step()
    phase.after_step()
    return loss.detach(), {name: term.detach() for name, term in terms.items()}
