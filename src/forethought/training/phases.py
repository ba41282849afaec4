"""Training phases: the interface that the training loop runs (start, a loss at each step, finish).

All random numbers are a function of (seed, phase, step), so a resumed run is exact without saved random states.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from forethought.config import Configuration
from forethought.data_parallel import ALONE, TrainingProcesses
from forethought.errors import NonFiniteError

Terms = Mapping[str, Tensor]


@runtime_checkable
class WorkLimit(Protocol):
    """Bounds the work of a phase's start by a time budget."""

    def enough(self, done: int, total: int, chunk: int) -> bool:
        """Whether `done` of `total` items must do; asked after each `chunk` of them."""


@dataclass(frozen=True)
class ParameterGroup:
    """An optimiser parameter group. Fields: parameters. rate: factor of the phase's learning rate."""

    parameters: list[nn.Parameter]
    rate: float = 1.0


class Phase(abc.ABC):
    """One training phase: its parameters, its number of steps, its loss.

    Attributes:
        name: in progress and logs; it also seeds the phase's random numbers.
        steps: number of optimiser steps.
        extras: modules that only this phase needs (heads, a teacher); a checkpoint stores them apart from the agent's.
        learning_rate, weight_decay: AdamW's, with a linear warm-up and a cosine to 5 %.
        limit: bounds the work of `start`; None for no limit.
        notes: numbers that `examine` keeps from check to check; a checkpoint stores them.
        processes: those that train together. They share the rows of each batch, see `data_parallel`.
    """

    name: str
    steps: int
    extras: nn.Module
    learning_rate: float
    weight_decay: float
    limit: WorkLimit | None = None
    notes: Mapping[str, float] = MappingProxyType({})
    processes: TrainingProcesses = ALONE

    @abc.abstractmethod
    def parameters(self) -> list[nn.Parameter]:
        """The trainable parameters of this phase, none of them frozen. A phase without any is skipped."""

    def groups(self) -> list[ParameterGroup]:
        """The parameters as optimiser groups, each with its own learning-rate factor; by default one group."""
        return [ParameterGroup(self.parameters())]

    def parts(self) -> dict[str, int]:
        """Steps of each part of the phase, in order; by default one part with the phase's name.

        A time budget is shared out by parts, because the steps of different parts differ in speed.
        """
        return {self.name: self.steps}

    def resize(self, part: str, steps: int) -> None:
        """Change the number of steps of a part; all schedules follow."""
        self.steps = steps

    @abc.abstractmethod
    def start(self) -> None:
        """Called once before the phase's first step in this process (also after a resume)."""

    @abc.abstractmethod
    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """The loss of one step and its terms; random numbers come from `generator` alone. The loop takes the optimiser step."""

    def after_step(self) -> None:  # noqa: B027 - most phases have nothing to do here
        """Called after each optimiser step; target networks are updated here."""

    def finish(self) -> None:  # noqa: B027 - most phases have nothing to do here
        """Called once, after the last step, before the phase's last checkpoint."""

    def monitor(self) -> dict[str, float | list[str]]:
        """Metrics on held-out data, computed periodically; the key `alarms` holds sentences."""
        return {}

    def checked_at(self, done: int) -> bool:
        """Whether `examine` is asked after so many steps; the same in all processes."""
        return False

    def examine(self, done: int, seconds: float) -> Configuration | None:
        """Whether what is trained is worth the rest of the budget; asked in the main process only.

        Args:
            done: steps. seconds: of training so far, those of trainings that were given up included.

        Returns:
            The configuration to begin anew with; None to go on.

        Raises:
            ForethoughtError: it is not, and no other configuration is known.
        """
        return None

    def abandon(self) -> None:  # noqa: B027 - most phases have nothing to do here
        """Called in all processes when the phase is given up."""

    def diverged(self, step: int, seconds: float, error: NonFiniteError) -> Configuration:
        """The configuration to begin anew with after a loss that is not finite; asked in the main process only.

        Raises:
            NonFiniteError: no other configuration is known.
        """
        raise error


def parameters_of(*modules: nn.Module) -> list[nn.Parameter]:
    """All trainable parameters of these modules."""
    return [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]


def step_generator(seed: int, phase: str, step: int) -> torch.Generator:
    """The random generator of one step, a function of seed, phase and step."""
    # PyTorch's CPU generator uses only the low 32 bits of its seed, so all three are hashed into 32 bits.
    digest = hashlib.blake2b(f"{seed}/{phase}/{step}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))
