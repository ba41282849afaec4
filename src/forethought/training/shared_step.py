"""One step's loss in several processes: `DistributedDataParallel` around any phase."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from forethought.data_parallel import TrainingProcesses
from forethought.training.phases import Phase, Terms, step_generator

LossOfStep = Callable[[int], tuple[Tensor, Terms]]
"""The loss of a step and its terms."""


class StepLoss(nn.Module):
    """A phase's step as the forward pass of a module that holds the phase's parameters and nothing else.

    A phase trains several modules through methods of their own (`encode`, `rollout`, heads), which no hook of a wrapped module
    would see. As one forward pass all of them are averaged in one place, in buckets, while the backward pass still runs.
    """

    def __init__(self, phase: Phase, parameters: Sequence[nn.Parameter], seed: int, processes: TrainingProcesses) -> None:
        """`parameters`: the phase's trainable ones. `seed`: of the training."""
        super().__init__()
        # The wrapper looks for unused parameters, and warns where there is none: the last one always is.
        self.trained = nn.ParameterList([*parameters, nn.Parameter(parameters[0].new_zeros(1))])
        self.loss_of, self.processes = loss_alone(phase, seed), processes

    def forward(self, step: int) -> tuple[Tensor, Terms]:
        """The loss of this process's rows and its terms, detached."""
        with self.processes.sharing_rows():
            loss, terms = self.loss_of(step)
        return loss, {name: term.detach() for name, term in terms.items()}


def loss_alone(phase: Phase, seed: int) -> LossOfStep:
    """The loss of each step in one process."""
    return lambda step: phase.step(step, step_generator(seed, phase.name, step))


def loss_in_processes(phase: Phase, parameters: Sequence[nn.Parameter], seed: int, processes: TrainingProcesses) -> LossOfStep:
    """The loss of each step; its backward pass averages the gradients over all processes.

    Unused parameters are looked for in each step, because the terms of a phase change with its settings and steps. That keeps
    the buckets as they are, too: rebuilt after the first step, they would add in another order after a resume.
    """
    if not processes.several:
        return loss_alone(phase, seed)
    return DistributedDataParallel(StepLoss(phase, parameters, seed, processes), find_unused_parameters=True)


def means(loss: Tensor, terms: Terms, processes: TrainingProcesses) -> tuple[Tensor, Terms]:
    """Loss and terms of the whole batch: their means over processes, equal in all of them."""
    if not processes.several:
        return loss, terms
    total, *parts = processes.mean(torch.stack([loss, *terms.values()])).unbind()
    return total, dict(zip(terms, parts, strict=True))
