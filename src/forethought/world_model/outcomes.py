"""What the world tells beside observations, on states: the reward and the drives of a block, and whether the episode ends."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.layers import mlp, zeroed
from forethought.two_hot import TwoHot


class OutcomeHeads(nn.Module):
    """Heads of the world model for rewards, drives and endings, on encoded or imagined states.

    Axes: D numbers in a state, A in an action block.
    """

    def __init__(self, state_dim: int, action_dim: int, hidden: int, bins: int, drives: int = 0) -> None:
        """Two hidden layers of width `hidden` each; `bins` of the reward's and each drive's distribution (`two_hot`)."""
        super().__init__()
        self._drives, self._bins = drives, bins
        self.two_hot = TwoHot(bins)
        self.reward = zeroed(mlp(state_dim + action_dim, hidden, bins))
        self.ending = zeroed(mlp(state_dim, hidden, 1))
        self.drive = zeroed(mlp(state_dim + action_dim, hidden, drives * bins)) if drives else None

    def rewards(self, states: Tensor, actions: Tensor) -> Tensor:
        """The expected reward of a block, in the world's unit: states before it [..., D] and the block [..., A] to [...]."""
        return self.two_hot.decode(self.reward(torch.cat([states, actions], -1)))

    def drives(self, states: Tensor, actions: Tensor) -> Tensor:
        """The expected drives of a block, >= 0: states before it [..., D] and the block [..., A] to [..., drives]."""
        if self.drive is None:
            return states.new_zeros(*states.shape[:-1], 0)
        return self.two_hot.decode(self._drive_logits(states, actions)).clamp_min(0)

    def continues(self, states: Tensor) -> Tensor:
        """The probability that the episode has not terminated in these states, [..., D] to [...]."""
        return torch.sigmoid(-self.ending(states)).squeeze(-1)

    def _drive_logits(self, states: Tensor, actions: Tensor) -> Tensor:
        assert self.drive is not None
        logits: Tensor = self.drive(torch.cat([states, actions], -1))
        return logits.view(*logits.shape[:-1], self._drives, self._bins)

    def drive_loss(self, states: Tensor, actions: Tensor, drives: Tensor) -> Tensor:
        """Cross-entropy of the drives [..., T, drives], summed over them, [..., T]; states and actions as those of `loss`."""
        return self.two_hot.loss(self._drive_logits(states[..., :-1, :], actions), drives).sum(-1)

    def loss(self, states: Tensor, actions: Tensor, rewards: Tensor, terminated: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropies of reward and ending at each step, [..., T] each.

        Args:
            states: [..., T + 1, D]. actions: [..., T, A]. rewards, terminated: [..., T], of the blocks between the states.
        """
        reward = self.two_hot.loss(self.reward(torch.cat([states[..., :-1, :], actions], -1)), rewards)
        ending = self.ending(states[..., 1:, :]).squeeze(-1)
        return reward, functional.binary_cross_entropy_with_logits(ending, terminated, reduction="none")
