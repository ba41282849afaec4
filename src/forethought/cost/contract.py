"""What a cost is: a number per imagined step, lower is better (the paper, section 3.2: "energy", pp. 13-14)."""

from __future__ import annotations

import abc
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Imagined:
    """Imagined trajectories.

    Fields:
        states: [B, K, H, D], the state after each block.
        actions: [B, K, H, A], the block that led there, normalised to [-1, 1] (one-hot if discrete).
    """

    states: Tensor
    actions: Tensor


class Cost(nn.Module, abc.ABC):
    """One term of the agent's energy. Batched over episodes B and candidates K; never mixes either."""

    name: str

    @abc.abstractmethod
    def forward(self, imagined: Imagined, goal: Tensor) -> Tensor:
        """Energy of each imagined step.

        Args:
            imagined: what the world model foresees.
            goal: [B, D], the goal's state (ignored by costs that want nothing in particular).

        Returns:
            [B, K, H], finite, lower is better.
        """
