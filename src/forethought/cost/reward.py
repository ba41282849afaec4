"""The world's own reward and drives as a cost: hard-wired, discounted over a plan, closed by the critic (the paper, p. 13).

Axes: R episodes, K candidates, H blocks, D numbers in a state, A in a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from forethought.config import CostConfig
from forethought.cost.contract import Imagined, IntrinsicCost
from forethought.cost.intrinsic import intrinsic_costs
from forethought.errors import ForethoughtError
from forethought.goals import EncodedGoal, NoState

REWARD = "reward"


@final
@dataclass(frozen=True, slots=True)
class Reward(IntrinsicCost):
    """The negated reward itself. Unlike other drives it may be negative, and no state makes it 0."""

    @property
    def name(self) -> str:
        """`reward`."""
        return REWARD

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
class BlockCost:
    """What a block costs: the weighted sum of hard-wired costs, of which nothing is trained (the paper, p. 14).

    Fields: terms: each cost and its weight u.
    """

    terms: tuple[tuple[IntrinsicCost, float], ...]

    @staticmethod
    def of(cost: CostConfig, drives: Sequence[str]) -> BlockCost:
        """The reward and these drives with their weights in an agent's settings; what has weight 0 is left out."""
        weights = {**cost.drive_weights, REWARD: cost.reward}
        every = (Reward(), *intrinsic_costs(drives))
        return BlockCost(tuple((term, weights[term.name]) for term in every if weights.get(term.name)))

    def __call__(self, rewards: Tensor, drives: Tensor, actions: Tensor) -> Tensor:
        """Costs of blocks, felt or imagined: rewards [...], drives [..., drives] and actions [..., A] to [...]."""
        total = torch.zeros_like(rewards)
        for part in self.parts(rewards, drives, actions).values():
            total = total + part
        return total

    def parts(self, rewards: Tensor, drives: Tensor, actions: Tensor) -> dict[str, Tensor]:
        """The weighted terms by name, [...] each; arguments as those of the call."""
        nowhere = actions[..., :0]
        imagined = Imagined(nowhere, actions, drives=drives, rewards=rewards)
        return {term.name: weight * term(imagined, NoState(nowhere)) for term, weight in self.terms}


@dataclass(frozen=True)
class ReturnCost:
    """The objective of plans for the world's own task: discounted cost along the plan, and the critic's at its end.

    After a predicted ending nothing more is gained or lost: each cost counts by the probability that the episode still goes on.

    Fields:
        present: [R, D], the states in which the plans begin.
        block_cost: of a block, from its reward and drives.
        rewards: states [..., D] and blocks [..., A] to expected rewards [...].
        drives: the same to expected drives [..., drives].
        continues: states [..., D] to the probability that the episode goes on there, [...].
        future_cost: states [..., D] to the discounted cost from there on, [...].
        discount: of one block.
    """

    present: Tensor
    block_cost: BlockCost
    rewards: Callable[[Tensor, Tensor], Tensor]
    drives: Callable[[Tensor, Tensor], Tensor]
    continues: Callable[[Tensor], Tensor]
    future_cost: Callable[[Tensor], Tensor]
    discount: float

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """Costs of candidates: states [R, K, H, D] and actions [R, K, H, A] to [R, K]."""
        return torch.stack(list(self.breakdown(states, actions).values())).sum(0)

    def breakdown(self, states: Tensor, actions: Tensor) -> dict[str, Tensor]:
        """The cost by term, [R, K] each; they sum to the cost."""
        before = torch.cat([self.present[:, None, None].expand(-1, states.shape[1], 1, -1), states[:, :, :-1]], 2)
        weight = torch.cumprod(self.discount * self.continues(states), -1)
        earlier = torch.cat([torch.ones_like(weight[..., :1]), weight[..., :-1]], -1)
        parts = self.block_cost.parts(self.rewards(before, actions), self.drives(before, actions), actions)
        running = {name: (earlier * part).sum(-1) for name, part in parts.items()}
        return {**running, "future_cost": weight[..., -1] * self.future_cost(states[:, :, -1])}
