"""Hard-wired drives: immutable costs that do not depend on the task (the paper, p. 14).

A world's drives are sensed signals (`WorldSpec.drives`); the functions below turn them into energy. Imagined states have no
sensed signals, so a trained `DrivePredictor` estimates them. The cost functions are not trainable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from forethought.cost.contract import Imagined, IntrinsicCost
from forethought.errors import ForethoughtError
from forethought.goals import EncodedGoal, NoState
from forethought.states import StateMetric
from forethought.types import require_drive_names


@final
@dataclass(frozen=True, slots=True)
class Effort(IntrinsicCost):
    """Mean square of the normalised action block: 0 at rest, 1 at full force."""

    @property
    def name(self) -> str:
        """`effort`."""
        return "effort"

    def __call__(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """[B, K, H] in [0, 1]."""
        return imagined.actions.square().mean(dim=-1)


@final
@dataclass(frozen=True, slots=True)
class Pain(IntrinsicCost):
    """The pain signal itself: the cost is linear in the signal.

    Fields:
        index: index of the signal among the drives.
    """

    index: int

    @property
    def name(self) -> str:
        """`pain`."""
        return "pain"

    def __call__(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """[B, K, H], >= 0."""
        return signal(imagined, self.index, self.name)


@final
@dataclass(frozen=True, slots=True)
class Hunger(IntrinsicCost):
    """Square of the hunger signal, a homeostatic drive: the cost of a deficit grows faster than the deficit itself.

    Keramati and Gutkin 2014, eq. 1.

    Fields:
        index: index of the signal among the drives.
    """

    index: int

    @property
    def name(self) -> str:
        """`hunger`."""
        return "hunger"

    def __call__(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """[B, K, H], >= 0."""
        return signal(imagined, self.index, self.name).square()


@final
@dataclass(frozen=True, slots=True)
class Felt(IntrinsicCost):
    """A drive that the world names itself: the cost is the signal.

    Fields:
        label: its name. index: index of the signal among the drives.
    """

    label: str
    index: int

    @property
    def name(self) -> str:
        """The world's name of it."""
        return self.label

    def __call__(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """[B, K, H], >= 0."""
        return signal(imagined, self.index, self.label)


def signal(imagined: Imagined, index: int, name: str) -> Tensor:
    """One drive's signal along the imagined path, [B, K, H].

    Raises:
        ForethoughtError: the drives were not estimated.
    """
    if imagined.drives is None:
        raise ForethoughtError(
            f"cost '{name}': the imagined path has no drives; give the composition a DrivePredictor, or set the "
            f"weight of '{name}' to 0."
        )
    return imagined.drives[..., index]


DRIVES: Mapping[str, Callable[[int], IntrinsicCost]] = MappingProxyType({"pain": Pain, "hunger": Hunger})
"""Drives whose cost is a function of its own, by name; the cost of all others is the signal (`Felt`)."""


def drive_cost(name: str, index: int) -> IntrinsicCost:
    """The hard-wired cost of a drive."""
    return DRIVES[name](index) if name in DRIVES else Felt(name, index)


def intrinsic_costs(drives: Sequence[str]) -> tuple[IntrinsicCost, ...]:
    """`Effort` and one cost for each drive of a body, in the body's order; see `types.require_drive_names`."""
    require_drive_names(drives)
    return (Effort(), *(drive_cost(name, index) for index, name in enumerate(drives)))


def drive_energies(names: Sequence[str], drives: NDArray[np.float32]) -> NDArray[np.float64]:
    """The unweighted costs of sensed drives, [..., drives] to the same shape."""
    if not names:
        return np.zeros(drives.shape, np.float64)
    sensed = torch.from_numpy(np.asarray(drives, np.float32))
    nowhere = sensed[..., :0]
    imagined, goal = Imagined(nowhere, nowhere, drives=sensed), NoState(nowhere)
    return np.stack([drive_cost(name, index)(imagined, goal).double().numpy() for index, name in enumerate(names)], -1)


class DrivePredictor(nn.Module):
    """Predicts the drive signals of a state: [..., D] to [..., drives], >= 0."""

    def __init__(self, state_dim: int, drives: int, hidden: int = 64, metric: StateMetric | None = None) -> None:
        """Two layers; the last is softplus, so that estimates are never negative. `metric` pools states (None: vectors)."""
        super().__init__()
        self.metric = metric
        self.head = nn.Sequential(nn.Linear(state_dim, hidden), nn.SiLU(), nn.Linear(hidden, drives), nn.Softplus())

    def forward(self, states: Tensor) -> Tensor:
        """[..., D] to [..., drives]."""
        drives: Tensor = self.head(states if self.metric is None else self.metric.pool(states))
        return drives


def drive_loss(readout: DrivePredictor, states: Tensor, drives: Tensor) -> Tensor:
    """Squared error, whose minimizer is the expected signal: rare events count by their probability.

    Args:
        readout: the trained predictor; the states are detached.
        states: [B, D]. drives: [B, drives], sensed during the block that led to the state.
    """
    return functional.mse_loss(readout(states.detach()), drives.to(torch.get_default_dtype()))
