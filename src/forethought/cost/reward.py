"""The world's own reward as a cost: negated, hard-wired, discounted over a plan, closed by the critic (the paper, p. 13).

Axes: R episodes, K candidates, H blocks, D numbers in a state, A in a block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from forethought.cost.contract import Imagined, IntrinsicCost
from forethought.errors import ForethoughtError
from forethought.goals import EncodedGoal, NoState


@final
@dataclass(frozen=True, slots=True)
class Reward(IntrinsicCost):
    """The negated reward itself. Unlike other drives it may be negative, and no state makes it 0."""

    @property
    def name(self) -> str:
        """`reward`."""
        return "reward"

    def __call__(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """[B, K, H], in the world's unit.

        Raises:
            ForethoughtError: the rewards were not predicted.
        """
        if imagined.rewards is None:
            raise ForethoughtError(
                "cost 'reward': the imagined path has no rewards; train an agent that learns them (`forethought live`)."
            )
        return -imagined.rewards


@dataclass(frozen=True)
class ReturnCost:
    """The objective of plans for the world's own task: discounted cost along the plan, and the critic's at its end.

    After a predicted ending nothing more is gained or lost: each cost counts by the probability that the episode still goes on.

    Fields:
        present: [R, D], the states in which the plans begin.
        rewards: states [..., D] and blocks [..., A] to expected rewards [...].
        continues: states [..., D] to the probability that the episode goes on there, [...].
        future_cost: states [..., D] to the discounted cost from there on, [...].
        discount: of one block.
    """

    present: Tensor
    rewards: Callable[[Tensor, Tensor], Tensor]
    continues: Callable[[Tensor], Tensor]
    future_cost: Callable[[Tensor], Tensor]
    discount: float

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """Costs of candidates: states [R, K, H, D] and actions [R, K, H, A] to [R, K]."""
        running, final = self._parts(states, actions)
        return running.sum(-1) + final

    def breakdown(self, states: Tensor, actions: Tensor) -> dict[str, Tensor]:
        """The cost by term, [R, K] each; they sum to the cost."""
        running, final = self._parts(states, actions)
        return {"reward": running.sum(-1), "future_cost": final}

    def _parts(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Discounted cost of each block [R, K, H], and of all that follows the plan [R, K]."""
        before = torch.cat([self.present[:, None, None].expand(-1, states.shape[1], 1, -1), states[:, :, :-1]], 2)
        weight = torch.cumprod(self.discount * self.continues(states), -1)
        earlier = torch.cat([torch.ones_like(weight[..., :1]), weight[..., :-1]], -1)
        imagined = Imagined(states, actions, rewards=self.rewards(before, actions))
        return earlier * Reward()(imagined, NoState(self.present)), weight[..., -1] * self.future_cost(states[:, :, -1])
