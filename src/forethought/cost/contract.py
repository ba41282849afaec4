"""Contract of costs: one energy per imagined step, lower is better (the paper, section 3.2: "energy", pp. 13-14)."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from forethought.goals import EncodedGoal
from forethought.types import Goal, ObservationGoal


@dataclass(frozen=True)
class Imagined:
    """Imagined trajectories.

    Fields:
        states: [B, K, H, D], the state after each block.
        actions: [B, K, H, A], the block that led there, normalised to [-1, 1] (one-hot if discrete).
        drives: [B, K, H, number of drives], expected drive signals during the block, >= 0; None if they are not estimated.
        rewards: [B, K, H], expected reward of each block, in the world's unit; None if it is not predicted.
        worst_case: whether the terminal value is the worst case over the latent variable (True) or the mean (False).
    """

    states: Tensor
    actions: Tensor
    drives: Tensor | None = None
    worst_case: bool = False
    rewards: Tensor | None = None


class Term(Protocol):
    """A cost of imagined steps: every `Cost` and every `IntrinsicCost` is one."""

    @property
    def name(self) -> str:
        """Name of its weight."""

    def __call__(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """Energy of each imagined step; see `Cost.forward`."""


class Cost(nn.Module, abc.ABC):
    """One task term of the agent's energy, trainable or not. Batched over episodes B and candidates K, which are independent.

    Attributes:
        name: name of its weight.
        accepts: kinds of goals for which it is defined. An agent rejects a task that no weighted cost accepts.
        every_level: whether it also applies to plans of the levels above the first. There its inputs are that level's states,
            macro-actions and encoded goal. A cost of level 1's states or actions must set it to False: it then applies to
            plans of level 1 only.
    """

    name: str
    accepts: tuple[type[Goal], ...] = (ObservationGoal,)
    every_level: bool = False

    @abc.abstractmethod
    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """Energy of each imagined step.

        Args:
            imagined: predicted trajectories.
            goal: an elementary goal of a kind that it accepts: `goal.state`, [B, D], of an `ObservationGoal` (ignored by costs
                that do not depend on the goal).

        Returns:
            [B, K, H], finite, lower is better.
        """


class IntrinsicCost(abc.ABC):
    """One hard-wired drive (the paper, p. 14: immutable, "not subject to learning").

    Not an `nn.Module`, on purpose: it has no parameters, no state to save or load, no training mode and no hooks.
    Implementations are frozen, slotted dataclasses: no attribute can be set, and nothing is trainable.
    """

    __slots__ = ()

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Name of its weight u."""

    @abc.abstractmethod
    def __call__(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """As `Cost.forward`; >= 0, and 0 at the desired state."""
