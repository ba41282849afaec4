"""Layout of a state, for the parts that depend on it: encoder, predictor and the heads that read a vector.

For all other parts a state is one row of numbers, [..., D]. A state of tokens is the row of all their numbers, so planner,
memory, agent and report need no special case; `StateSpec.tokens_of` gives [..., N, d] without a copy.

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
        """The layout of an encoder's states."""
        return StateSpec(settings.state_dim, settings.tokens)

    @property
    def kind(self) -> Literal["vector", "tokens"]:
        """`tokens` or `vector`."""
        return "tokens" if self.tokens else "vector"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one state from the encoder: [d], or [N, d]."""
        return (self.tokens, self.dim) if self.tokens else (self.dim,)

    @property
    def size(self) -> int:
        """D: numbers in a state."""
        return self.dim * max(1, self.tokens)

    def flat(self, encoded: Tensor) -> Tensor:
        """The encoder's output, [..., N, d] or [..., d], as states [..., D]."""
        states: Tensor = encoded.flatten(-2) if self.tokens else encoded
        return states

    def tokens_of(self, states: Tensor) -> Tensor:
        """States [..., D] as tokens [..., N, d]; a vector is one token."""
        tokens: Tensor = states.unflatten(-1, (max(1, self.tokens), self.dim))
        return tokens


class StateMetric:
    """Distance between states, and pooling to one vector for heads, memories and probes.

    Subclass it for another pooling or distance. It has no weights.
    """

    def __init__(self, spec: StateSpec) -> None:
        """`spec`: layout of the states."""
        self.spec = spec

    @property
    def dim(self) -> int:
        """Numbers in a pooled state."""
        return self.spec.dim

    def pool(self, states: Tensor) -> Tensor:
        """States [..., D] to vectors [..., dim]: the mean of the tokens; a vector is unchanged."""
        return self.spec.tokens_of(states).mean(-2) if self.spec.tokens else states

    def distance(self, states: Tensor, others: Tensor) -> Tensor:
        """Mean squared difference of states [..., D] and others that broadcast to them, token by token: [...].

        DINO-WM (2411.04983), equation 5. 0 for the same state; about 2 for unrelated ones of unit variance.
        """
        return (states - others).square().mean(-1)


def vector(dim: int) -> StateMetric:
    """The metric of states that are vectors of `dim` numbers."""
    return StateMetric(StateSpec(dim))
