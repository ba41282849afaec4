"""Precision and compilation of the world model's phase, chosen by measured seconds: `training.precision`, `training.compile`.

Steps of the real phase are timed on throw-away copies of the networks, with optimisers of their own and the phase's own
batches. Networks and random states are afterwards what they were. The choice is written in the run's configuration, so a
resumed training repeats it instead of measuring again.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

import torch

from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration, Reason, shown
from forethought.device import device_name
from forethought.errors import NonFiniteError
from forethought.training.loop import make_optimizer, take_step
from forethought.training.phases import Phase
from forethought.training.shared_step import loss_alone

log = logging.getLogger(__name__)
Precision = Literal["float32", "bfloat16"]
MEASURED = "measured"
WARM_UP, COMPARED, MOST = 2, 8, 50
"""Steps before the timed ones, steps whose losses are compared, and most timed steps."""
TIMED_SECONDS = 1.0
"""Seconds for which steps are timed."""
LEAST_SECONDS, LEAST_TO_COMPILE = 20.0, 120.0
"""Seconds that a phase must take in float32 for another precision to be tried, and for compiling, which takes a minute."""
TOLERANCE = 0.02
"""Largest mean relative difference of the first losses from those in float32."""
FASTER = 1.05
"""The phase must become faster by this factor."""

MakePhase = Callable[[AgentNetworks, Configuration], Phase | None]
"""The world model's phase of networks; None where there is none to train."""


@dataclass(frozen=True)
class Arithmetic:
    """How a phase computes. Fields: precision, compile: see `TrainingConfig`."""

    precision: Precision
    compile: bool

    def __str__(self) -> str:
        """For sentences."""
        return f"{self.precision}, compiled" if self.compile else self.precision

    def of(self, configuration: Configuration) -> Configuration:
        """The configuration with this arithmetic; its reasons stay."""
        values = {"precision": self.precision, "compile": self.compile}
        return configuration.model_copy(update={"training": configuration.training.model_copy(update=values)})


@dataclass(frozen=True)
class StepTiming:
    """Measured steps of a phase.

    Fields:
        arithmetic: how they were computed. seconds: of a step, the median. first_seconds: of the steps before the timed ones,
            with all compiling. losses: of the first steps. refused: why it cannot be used; empty if it can.
    """

    arithmetic: Arithmetic
    seconds: float = math.inf
    first_seconds: float = 0.0
    losses: tuple[float, ...] = ()
    refused: str = ""

    def total(self, steps: int) -> float:
        """Seconds of so many steps, compiling included."""
        return self.seconds * steps + (self.first_seconds if self.arithmetic.compile else 0.0)

    def difference(self, other: StepTiming) -> float:
        """Mean relative difference of the losses from those of another timing."""
        pairs = zip(self.losses, other.losses, strict=True)
        return sum(abs(own - theirs) / max(abs(theirs), 1e-12) for own, theirs in pairs) / max(len(self.losses), 1)


def time_steps(phase: Phase, seed: int, device: torch.device, arithmetic: Arithmetic) -> StepTiming:
    """Take and time the first steps of a phase, whose networks they change.

    Raises:
        NonFiniteError: a loss or a gradient is not finite.
    """
    groups = [group for group in phase.groups() if group.parameters]
    optimizer, rates, loss_of = make_optimizer(phase, groups), [group.rate for group in groups], loss_alone(phase, seed)
    phase.extras.to(device)
    phase.start()
    losses, spent, step, begun = list[float](), list[float](), 0, time.perf_counter()
    try:
        while step < max(COMPARED, WARM_UP + 1) or (sum(spent) < TIMED_SECONDS and len(spent) < MOST):
            before = time.perf_counter()
            loss, _ = take_step(phase, optimizer, rates, step, loss_of)
            losses.append(float(loss))  # waits for the device
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            step += 1
            if step <= WARM_UP:
                first = time.perf_counter() - begun
            else:
                spent.append(time.perf_counter() - before)
    finally:
        phase.abandon()
    return StepTiming(arithmetic, median(spent), first, tuple(losses[:COMPARED]))


def with_measured_speed(
    configuration: Configuration, networks: AgentNetworks, make: MakePhase, device: torch.device,
    processes: int = 1, seconds: float | None = None,
) -> Configuration:  # fmt: skip
    """The configuration with the fastest precision and compilation in place of `measured`, and the reason; the log has it, too.

    Args:
        networks: of the agent, untrained; not changed. make: the phase to be measured, of copies of them.
        processes: that share each batch; one of them measures its share alone. seconds: of a time budget, if there is one.
    """
    asked = configuration.training
    if MEASURED not in (asked.precision, asked.compile):
        return configuration
    share = asked.model_copy(update={"batch": max(2, asked.batch // processes)})
    measured = configuration.model_copy(update={"training": share})

    def timing(arithmetic: Arithmetic) -> StepTiming | None:
        copied = copy.deepcopy(networks)
        phase = make(copied, arithmetic.of(measured))
        return None if phase is None or not phase.parameters() else time_steps(phase, asked.seed, device, arithmetic)

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        chosen, because = _choose(configuration, timing, device, math.inf if seconds is None else seconds)
    log.info("Training computes in %s: %s.", chosen, because)
    return _recorded(chosen.of(configuration), configuration, because)


def _choose(
    configuration: Configuration, timing: Callable[[Arithmetic], StepTiming | None], device: torch.device, budget: float
) -> tuple[Arithmetic, str]:
    """The fastest arithmetic, and why."""
    asked, steps = configuration.training, configuration.training.world_model_steps
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    if asked.precision != "measured":
        precisions = (asked.precision,)
    compiled = (False, True) if asked.compile == MEASURED else (bool(asked.compile),)
    plain = Arithmetic(precisions[0], compiled[0])
    try:
        base = timing(plain) if steps else None
    except NonFiniteError:
        return plain, "its first losses are not finite, so nothing else was measured"
    if base is None:
        return plain, "there is no world model to train, so nothing was measured"
    planned = min(base.seconds * steps, budget)
    found = [base]
    for arithmetic in (Arithmetic(precision, compile) for compile in compiled for precision in precisions):
        if arithmetic != plain and planned >= (LEAST_TO_COMPILE if arithmetic.compile and not plain.compile else LEAST_SECONDS):
            found.append(_tried(arithmetic, timing, base))
    if len(found) == 1:
        return plain, (
            f"the world model takes about {planned:.2g} s in {plain}, measured on {device_name(device)}, which is too short to "
            "try anything else"
        )
    usable = [one for one in found if not one.refused]
    best = min(usable, key=lambda one: one.total(steps))
    if best.total(steps) * FASTER > base.total(steps):
        best = base
    listed = ", ".join(one.refused or f"{one.arithmetic} {1000 * one.seconds:.3g} ms" for one in found)
    differs = "" if best is base else f"; its first losses differ by {best.difference(base):.2%} from those in {plain}"
    return best.arithmetic, f"measured on {device_name(device)}, by step: {listed}{differs}"


def _tried(arithmetic: Arithmetic, timing: Callable[[Arithmetic], StepTiming | None], base: StepTiming) -> StepTiming:
    """Its timing; refused where it fails, or where its losses are others than those of `base`."""
    try:
        found = timing(arithmetic)
    except NonFiniteError:
        return StepTiming(arithmetic, refused=f"{arithmetic} is not finite")
    except RuntimeError as error:  # no compiler, or not enough memory: training goes on without
        return StepTiming(arithmetic, refused=f"{arithmetic} fails ({str(error).splitlines()[0]})")
    assert found is not None
    if (difference := found.difference(base)) > TOLERANCE:
        return StepTiming(arithmetic, refused=f"{arithmetic} has other losses (by {difference:.1%})")
    return found


def _recorded(chosen: Configuration, asked: Configuration, because: str) -> Configuration:
    """The configuration with the reasons of what was measured."""
    reasons = {reason.setting: reason for reason in chosen.reasons}
    for name in ("precision", "compile"):
        if getattr(asked.training, name) == MEASURED:
            value = shown(getattr(chosen.training, name))
            reasons[f"training.{name}"] = Reason(setting=f"training.{name}", value=value, because=because)
    return chosen.model_copy(update={"reasons": tuple(reasons[name] for name in sorted(reasons))})


def measured_on_gpus(configuration: Configuration, device: torch.device, reproducible: bool) -> Configuration:
    """The configuration of a new run on a device: on a GPU precision and compilation are measured, unless the user set them.

    `reproducible`: nothing may depend on the machine's speed, so they stay what they are.
    """
    fixed = {reason.setting for reason in configuration.reasons if reason.overridden}
    open_ones = [name for name in ("precision", "compile") if f"training.{name}" not in fixed]
    if device.type != "cuda" or reproducible or not open_ones:
        return configuration
    training = configuration.training.model_copy(update=dict.fromkeys(open_ones, MEASURED))
    return configuration.model_copy(update={"training": training})
