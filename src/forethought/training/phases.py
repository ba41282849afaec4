"""The phases of learning, from the world model to Mode-1: start, a loss at each step, finish. The loop does the rest.

Chance is a function of (seed, phase, step) alone, so a resumed run needs no random state to repeat itself exactly.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Terms = Mapping[str, Tensor]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that learn at one rate. Fields: parameters. rate: factor of the phase's learning rate."""

    parameters: list[nn.Parameter]
    rate: float = 1.0


class Phase(abc.ABC):
    """One phase: its weights, its length, its loss.

    Attributes:
        name: as shown in progress and logs.
        steps: how many optimiser steps.
        extras: weights that only this phase needs (heads, a teacher); a checkpoint holds them beside the agent's.
        learning_rate, weight_decay: AdamW's, with a linear warm-up and a cosine to 5 %.
    """

    name: str
    steps: int
    extras: nn.Module
    learning_rate: float
    weight_decay: float

    @abc.abstractmethod
    def parameters(self) -> list[nn.Parameter]:
        """What this phase trains; nothing frozen. Where there is nothing, the phase is skipped."""

    def groups(self) -> list[ParameterGroup]:
        """The same in groups, each with a learning rate of its own; by default one."""
        return [ParameterGroup(self.parameters())]

    @abc.abstractmethod
    def start(self) -> None:
        """Called once before the phase's first step in this process (also after a resume)."""

    @abc.abstractmethod
    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """The loss of one step and its terms; all chance from `generator`. The loop takes the optimiser step."""

    def after_step(self) -> None:  # noqa: B027 - most phases have nothing to do here
        """Called after each optimiser step: slow copies follow here."""

    def finish(self) -> None:  # noqa: B027 - most phases have nothing to do here
        """Called once, after the last step, before the phase's last checkpoint."""

    def monitor(self) -> dict[str, float | list[str]]:
        """Figures taken now and then on held-out data; the key `alarms` holds sentences."""
        return {}


def parameters_of(*modules: nn.Module) -> list[nn.Parameter]:
    """All trainable parameters of some modules."""
    return [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]


def step_generator(seed: int, phase: str, step: int) -> torch.Generator:
    """The generator of one step: same seed, phase and step, same numbers."""
    # PyTorch's CPU generator looks at the low 32 bits of its seed only, so all three are hashed into them.
    digest = hashlib.blake2b(f"{seed}/{phase}/{step}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))
