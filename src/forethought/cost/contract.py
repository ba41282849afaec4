"""What a cost is: a number per imagined step, lower is better (the paper, section 3.2: "energy", pp. 13-14)."""

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
        drives: [B, K, H, number of drives], what the body is expected to feel in the block, >= 0; None where nothing
            estimates it.
        wary: what comes after the last step is to be judged as if chance decided for the worse, not as it does on average.
    """

    states: Tensor
    actions: Tensor
    drives: Tensor | None = None
    wary: bool = False


class Term(Protocol):
    """Anything that prices imagined steps: every `Cost` and every `IntrinsicCost` is one."""

    @property
    def name(self) -> str:
        """What its weight is called."""

    def __call__(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """Energy of each imagined step; see `Cost.forward`."""


class Cost(nn.Module, abc.ABC):
    """One task term of the agent's energy, trainable or not. Batched over episodes B and candidates K; mixes none.

    Attributes:
        name: what its weight is called.
        accepts: the kinds of goals that it understands. A task that no weighted cost of an agent understands is refused.
        every_level: whether it judges plans of the levels above the first, too. There it is given the states of that level, its
            macro-actions, and the goal as that level sees it. A cost of level 1's states or actions can't: it judges level 1
            alone, whichever level leads.
    """

    name: str
    accepts: tuple[type[Goal], ...] = (ObservationGoal,)
    every_level: bool = False

    @abc.abstractmethod
    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """Energy of each imagined step.

        Args:
            imagined: what the world model foresees.
            goal: an elementary goal of a kind that it accepts: `goal.state`, [B, D], of an `ObservationGoal` (ignored by costs
                that want nothing in particular).

        Returns:
            [B, K, H], finite, lower is better.
        """


class IntrinsicCost(abc.ABC):
    """One hard-wired drive (the paper, p. 14: immutable, "not subject to learning").

    Not an `nn.Module`, on purpose: it has no parameters, no state to save or load, no training mode and no hooks.
    Implementations are frozen, slotted dataclasses: no attribute can be set, and learning finds nothing to reach.
    """

    __slots__ = ()

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What its weight u is called."""

    @abc.abstractmethod
    def __call__(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """As `Cost.forward`; >= 0, and 0 when all is well."""
