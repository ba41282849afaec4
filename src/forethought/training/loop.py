"""The training loop of every phase: optimise, monitor, log, checkpoint, stop cleanly, resume exactly."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType

import torch
from torch import Tensor, nn

from forethought.config import Configuration, ObjectiveChange, TrainingConfig
from forethought.data_parallel import ALONE, TrainingProcesses
from forethought.errors import ForethoughtError, MainProcessError, NonFiniteError
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
from forethought.training.metrics_log import MetricsLogger
from forethought.training.phases import ParameterGroup, Phase
from forethought.training.progress import Progress
from forethought.training.shared_step import LossOfStep, loss_in_processes, means
from forethought.training.threads import Threads

log = logging.getLogger(__name__)
WARM_UP = 100
FLOOR = 0.05
LOG_EVERY = 50
MONITOR_EVERY = 250
PHASE_STRIDE = 10_000_000
GIVEN_UP = "given up"
"""Name of the seconds of trainings that were given up."""


class ObjectiveChangedError(ForethoughtError):
    """A training is given up, in all of its processes. `configuration`: that of the training that begins anew."""

    def __init__(self, configuration: Configuration) -> None:
        """The message is the last change of the configuration's history."""
        super().__init__(configuration.history[-1])
        self.configuration = configuration


def rate_at(step: int, steps: int) -> float:
    """Learning-rate factor: linear warm-up over 100 steps, then a cosine down to 5 %."""
    return min(1.0, (step + 1) / WARM_UP) * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * step / max(steps, 1))))


def run_phases(
    agent: nn.Module,
    phases: Sequence[Phase],
    run: Path,
    settings: TrainingConfig,
    begun: Checkpoint | None,
    clock: TrainingClock | None = None,
    threads: Threads | None = None,
    processes: TrainingProcesses = ALONE,
    history: Sequence[ObjectiveChange] = (),
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
        history: the trainings that were given up before this one.

    Returns:
        Wall-clock seconds of each phase, including those of earlier processes, and of the trainings that were given up.

    Raises:
        ForethoughtError: the checkpoint's phase is none of `phases`.
        NonFiniteError: a loss term or a gradient is not finite; names term, phase and step.
        ObjectiveChangedError: a phase is given up, and is to begin anew with another configuration.
        KeyboardInterrupt: Ctrl-C, after the current step and a checkpoint.
    """
    names = [phase.name for phase in phases]
    start, seconds = 0, {GIVEN_UP: history[-1].seconds} if history else dict[str, float]()
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
    logger = MetricsLogger(run, resumed, len(history)) if processes.is_main else None
    timed = processes.from_main(lambda: clock is not None)
    if clock is not None:
        clock.schedule(phases)
    try:
        for index, phase in enumerate(phases[start:], start):
            phase.processes = processes
            runner = PhaseRunner(agent, phase, index, run, settings, seconds, logger, frozen, clock)
            runner.timed, runner.attempt = timed, len(history)
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
        self.timed, self.attempt = clock is not None, 0
        self.agent, self.phase, self.index, self.run = agent, phase, index, run
        self.settings, self.seconds, self.logger, self.processes = settings, seconds, logger, phase.processes
        phase.extras.to(next(agent.parameters()).device)
        groups = [group for group in phase.groups() if group.parameters]
        self.rates = [group.rate for group in groups]
        self.steps = phase.steps if groups else 0
        if not groups:
            log.info("Phase '%s' is skipped: all of its parameters are frozen.", phase.name)
            return
        self.optimizer = make_optimizer(phase, groups)
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
                self.phase.notes = dict(begun.progress.get("notes", {}))
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
                loss, terms = self._step(step, loss_of)
                done = step + 1
                if done == self.phase.steps:
                    self.phase.finish()
                self._report(done, loss, terms, bar)
                if self.phase.checked_at(done):
                    self._change(done, partial(self._examine, done), terms)
                if self.processes.any(interruption.requested):
                    self._save(done)
                    raise KeyboardInterrupt
                if done % self.settings.checkpoint_every == 0 and done < self.phase.steps:
                    self._save(done)
                step = done
        self._save(self.phase.steps)

    def _step(self, step: int, loss_of: LossOfStep) -> tuple[Tensor, dict[str, Tensor]]:
        try:
            return take_step(self.phase, self.optimizer, self.rates, step, loss_of)
        except NonFiniteError as error:
            failed = error
        with suppress(MainProcessError):  # the others end with the same sentence
            self._change(step, lambda: self.phase.diverged(step, self._spent(), failed))
        raise failed

    def _examine(self, done: int) -> Configuration | None:
        return self.phase.examine(done, self._spent())

    def _change(self, step: int, find: Callable[[], Configuration | None], terms: Mapping[str, Tensor] | None = None) -> None:
        """Give the training up where `find` returns another configuration in the main process; all processes do."""
        changed = self.processes.from_main(find, _dump_configuration, _load_configuration)
        if changed is None:
            return
        if self.logger is not None:
            figures = {name: float(term) for name, term in (terms or {}).items()}
            self.logger.write(self.phase.name, step, {**figures, "alarms": [changed.history[-1].alarm]})
        self.phase.abandon()
        raise ObjectiveChangedError(changed)

    def _spent(self) -> float:
        """Seconds of training so far."""
        if self.clock is not None:
            return self.clock.elapsed
        others = sum(seconds for name, seconds in self.seconds.items() if name != self.phase.name)
        return others + self.seconds_before + time.monotonic() - self.started

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
        if self.attempt:
            progress["attempt"] = self.attempt
        if self.phase.notes:
            progress["notes"] = dict(self.phase.notes)
        if self.frozen.digest:
            progress["frozen"] = self.frozen.digest
        if self.clock is not None:
            progress["elapsed"] = self.clock.elapsed
        # Checkpoints of later phases must sort after those of earlier phases, whatever their lengths.
        save_checkpoint(self.run, self.index * PHASE_STRIDE + step, tensors, progress)
        if self.clock is not None:
            self.clock.saved(self.clock.elapsed - before)


def _dump_configuration(configuration: Configuration | None) -> bytes:
    return b"" if configuration is None else configuration.model_dump_json().encode()


def _load_configuration(message: bytes) -> Configuration | None:
    return Configuration.model_validate_json(message) if message else None


def make_optimizer(phase: Phase, groups: Sequence[ParameterGroup]) -> torch.optim.AdamW:
    """The optimiser of a phase's groups, each of which has parameters."""
    return torch.optim.AdamW(
        [{"params": group.parameters} for group in groups],
        lr=phase.learning_rate, weight_decay=phase.weight_decay, foreach=True,
    )  # fmt: skip


def take_step(
    phase: Phase, optimizer: torch.optim.Optimizer, rates: Sequence[float], step: int, loss_of: LossOfStep
) -> tuple[Tensor, dict[str, Tensor]]:
    """Take one optimiser step; the loss before it, and its terms. `rates`: of the optimiser's groups.

    Raises:
        NonFiniteError: the loss or its gradient is not finite; the weights are as before.
    """
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
