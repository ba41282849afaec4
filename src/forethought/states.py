"""What a state is made of, for those few parts that must know: encoder, predictor and the heads that read a vector.

To all others a state is opaque: one row of numbers, [..., D]. A state of tokens travels as the row of all their numbers, so
that planner, memory, agent and report need no case of their own; `StateSpec.tokens_of` gives [..., N, d] without a copy.

Axes: D numbers in a state; N tokens of d numbers in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from forethought.config import EncoderConfig


@dataclass(frozen=True)
class StateSpec:
    """The layout of a state.

    Fields: dim: d, numbers in a token, or in the vector. tokens: N; 0 for a vector.
    """

    dim: int
    tokens: int = 0

    @staticmethod
    def of(settings: EncoderConfig) -> StateSpec:
        """What the encoder with these settings makes."""
        return StateSpec(settings.state_dim, settings.tokens)

    @property
    def kind(self) -> Literal["vector", "tokens"]:
        """One of the two."""
        return "tokens" if self.tokens else "vector"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one state as an encoder gives it: [d], or [N, d]."""
        return (self.tokens, self.dim) if self.tokens else (self.dim,)

    @property
    def size(self) -> int:
        """D: numbers in a state."""
        return self.dim * max(1, self.tokens)

    def flat(self, encoded: Tensor) -> Tensor:
        """What an encoder gives, [..., N, d] or [..., d], as states [..., D]."""
        states: Tensor = encoded.flatten(-2) if self.tokens else encoded
        return states

    def tokens_of(self, states: Tensor) -> Tensor:
        """States [..., D] as tokens [..., N, d]; a vector is one token."""
        tokens: Tensor = states.unflatten(-1, (max(1, self.tokens), self.dim))
        return tokens


class StateMetric:
    """How states are compared, and the vector that stands for one where a head, a memory or a probe reads vectors.

    Subclass it to pool or to compare otherwise. It has no weights.
    """

    def __init__(self, spec: StateSpec) -> None:
        """Of states of this layout."""
        self.spec = spec

    @property
    def dim(self) -> int:
        """Numbers in a pooled state."""
        return self.spec.dim

    def pool(self, states: Tensor) -> Tensor:
        """States [..., D] to vectors [..., dim]: the mean of the tokens; a vector is its own."""
        return self.spec.tokens_of(states).mean(-2) if self.spec.tokens else states

    def distance(self, states: Tensor, others: Tensor) -> Tensor:
        """Mean squared difference of states [..., D] and others that broadcast to them, token by token: [...].

        DINO-WM (2411.04983), equation 5. 0 for the same state; about 2 for unrelated ones of unit variance.
        """
        return (states - others).square().mean(-1)


def vector(dim: int) -> StateMetric:
    """The metric of states that are vectors of `dim` numbers."""
    return StateMetric(StateSpec(dim))
