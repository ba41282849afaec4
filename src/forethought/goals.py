"""Encoded goals: the goals of a task (`types.Goal`) in the form that costs, policy and levels use.

The parts of an agent use only the interface of `EncodedGoal`. A cost receives one elementary goal at a time, of a kind that it
accepts. A new kind of goal (a sentence, a reward) needs a class here, one in `types`, and its encoder in `sensing`.

Axes: B episodes, R of them, D numbers in a state.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from forethought.errors import ForethoughtError
from forethought.types import Goal, ObservationGoal, RewardGoal


class EncodedGoal(abc.ABC):
    """The goals of B episodes, one each."""

    kind: ClassVar[type[Goal]]

    @abc.abstractmethod
    def __len__(self) -> int:
        """B."""

    @abc.abstractmethod
    def __str__(self) -> str:
        """A short description, for printed costs."""

    @property
    def parts(self) -> tuple[tuple[EncodedGoal, float], ...]:
        """Elementary goals with their shares, which sum to 1: itself, unless it contains several."""
        return ((self, 1.0),)

    @property
    @abc.abstractmethod
    def leading(self) -> Tensor:
        """The state [B, D] for a policy that takes a single goal; of several goals the one with the largest share."""

    @abc.abstractmethod
    def subset(self, rows: Tensor) -> EncodedGoal:
        """The goals of episodes `rows`, int64 [R]."""

    @abc.abstractmethod
    def map(self, encode: Callable[[Tensor], Tensor]) -> EncodedGoal:
        """The same goal with encoded states, such as those of an upper level."""

    @abc.abstractmethod
    def replaced(self, where: Tensor, states: Tensor) -> EncodedGoal:
        """The same goal with states [B, D] in its place in the episodes where `where` (bool [B]) is true."""

    @abc.abstractmethod
    def distance(self, between: Callable[[Tensor, Tensor], Tensor], states: Tensor) -> Tensor:
        """Distance from states [B, ..., D] to the goal, [B, ...]; for several goals the mean weighted by their shares.

        `between`: states and goals of one shape to a distance.
        """


@dataclass(frozen=True)
class StateGoal(EncodedGoal):
    """A goal state: an encoded `ObservationGoal`, or a subgoal.

    Fields: state: [B, D].
    """

    state: Tensor
    kind = ObservationGoal

    def __len__(self) -> int:
        """B."""
        return len(self.state)

    def __str__(self) -> str:
        """Its shape."""
        return str(list(self.state.shape))

    @property
    def leading(self) -> Tensor:
        """Its own state."""
        return self.state

    def subset(self, rows: Tensor) -> StateGoal:
        """See `EncodedGoal.subset`."""
        return StateGoal(self.state[rows])

    def map(self, encode: Callable[[Tensor], Tensor]) -> StateGoal:
        """See `EncodedGoal.map`."""
        return StateGoal(encode(self.state))

    def replaced(self, where: Tensor, states: Tensor) -> StateGoal:
        """See `EncodedGoal.replaced`."""
        return StateGoal(torch.where(aligned(where, states), states, self.state))

    def distance(self, between: Callable[[Tensor, Tensor], Tensor], states: Tensor) -> Tensor:
        """See `EncodedGoal.distance`."""
        return between(states, beside(self.state, states.ndim - self.state.ndim).expand_as(states))


@dataclass(frozen=True)
class NoState(EncodedGoal):
    """An encoded `RewardGoal`: there is no state to reach.

    Fields: nowhere: [B, D], zeros, in the place of a goal's state.
    """

    nowhere: Tensor
    kind = RewardGoal

    def __len__(self) -> int:
        """B."""
        return len(self.nowhere)

    def __str__(self) -> str:
        """In words."""
        return "the world's reward"

    @property
    def leading(self) -> Tensor:
        """Zeros."""
        return self.nowhere

    def subset(self, rows: Tensor) -> NoState:
        """See `EncodedGoal.subset`."""
        return NoState(self.nowhere[rows])

    def map(self, encode: Callable[[Tensor], Tensor]) -> NoState:
        """Itself: there is nothing to encode."""
        return self

    def replaced(self, where: Tensor, states: Tensor) -> NoState:
        """Itself: the world's reward has no subgoals."""
        return self

    def distance(self, between: Callable[[Tensor, Tensor], Tensor], states: Tensor) -> Tensor:
        """Zeros."""
        return states.new_zeros(states.shape[:-1])


@dataclass(frozen=True)
class SeveralGoals(EncodedGoal):
    """Several goals at once, with their shares.

    Fields: parts: see `EncodedGoal.parts`; made by `several`.
    """

    parts: tuple[tuple[EncodedGoal, float], ...] = ()
    kind = Goal

    def __len__(self) -> int:
        """B."""
        return len(self.parts[0][0])

    def __str__(self) -> str:
        """All parts with their shares."""
        return " + ".join(f"{share:.2g} * {part}" for part, share in self.parts)

    @property
    def leading(self) -> Tensor:
        """See `EncodedGoal.leading`."""
        return max(self.parts, key=lambda part: part[1])[0].leading

    def _mapped(self, change: Callable[[EncodedGoal], EncodedGoal]) -> SeveralGoals:
        return SeveralGoals(tuple((change(part), share) for part, share in self.parts))

    def subset(self, rows: Tensor) -> SeveralGoals:
        """See `EncodedGoal.subset`."""
        return self._mapped(lambda part: part.subset(rows))

    def map(self, encode: Callable[[Tensor], Tensor]) -> SeveralGoals:
        """See `EncodedGoal.map`."""
        return self._mapped(lambda part: part.map(encode))

    def replaced(self, where: Tensor, states: Tensor) -> SeveralGoals:
        """See `EncodedGoal.replaced`."""
        return self._mapped(lambda part: part.replaced(where, states))

    def distance(self, between: Callable[[Tensor, Tensor], Tensor], states: Tensor) -> Tensor:
        """See `EncodedGoal.distance`."""
        return torch.stack([share * part.distance(between, states) for part, share in self.parts]).sum(0)


def state_of(goal: EncodedGoal) -> Tensor:
    """The state [B, D] of an elementary goal, for costs that accept an `ObservationGoal`."""
    assert isinstance(goal, StateGoal), f"a cost that accepts an ObservationGoal was given a {type(goal).__name__}"
    return goal.state


def several(goals: Sequence[EncodedGoal], weights: Sequence[float]) -> SeveralGoals:
    """Combine goals of the same episodes; the weights are normalized to shares.

    The shares sum to 1: distances stay in blocks, and the balance with effort and drives is that of a single goal.

    Raises:
        ForethoughtError: the numbers of episodes differ.
    """
    if len({len(goal) for goal in goals}) > 1:
        raise ForethoughtError(
            f"The goals are of {', '.join(str(len(goal)) for goal in goals)} episodes: give all goals for the same episodes."
        )
    total = sum(weights)
    return SeveralGoals(tuple((goal, weight / total) for goal, weight in zip(goals, weights, strict=True)))


def beside(states: Tensor, axes: int) -> Tensor:
    """States [B, ...] with `axes` new axes of length 1 after the first."""
    return states[(slice(None), *(None,) * axes)]


def aligned(mask: Tensor, values: Tensor) -> Tensor:
    """A mask [B] viewed with as many axes as values [B, ...]."""
    return mask.view(-1, *(1,) * (values.ndim - 1))
