"""The world's reward as a cost: discounted by hand, and nothing after a predicted ending."""

from __future__ import annotations

import pytest
import torch

from forethought.config import CostConfig
from forethought.cost.contract import Imagined
from forethought.cost.reward import BlockCost, ReturnCost, Reward
from forethought.errors import ForethoughtError
from forethought.goals import NoState

B, K, H, D, A = 2, 3, 4, 1, 1


def cost_with(continues: float = 1.0, discount: float = 0.5, **weights: float) -> ReturnCost:
    """Rewards are the state before the block plus the action; each drive is 2; what follows costs 100."""
    return ReturnCost(
        torch.zeros(B, D),
        BlockCost.of(CostConfig(drive_weights=weights), tuple(weights)),
        lambda states, actions: (states + actions)[..., 0],
        lambda states, actions: states.new_full((*states.shape[:-1], len(weights)), 2.0),
        lambda states: torch.full(states.shape[:-1], continues),
        lambda states: torch.full(states.shape[:-1], 100.0),
        discount,
    )


def test_the_cost_is_the_discounted_sum_by_hand() -> None:
    """Rewards 0+1, 10+1, 10+1, 10+1, then the critic."""
    states, actions = torch.full((B, K, H, D), 10.0), torch.ones(B, K, H, A)
    expected = -(1 + 0.5 * 11 + 0.25 * 11 + 0.125 * 11) + 0.0625 * 100
    assert torch.allclose(cost_with()(states, actions), torch.full((B, K), expected))


def test_drives_cost_their_weight_at_each_block() -> None:
    """Pain of 2 at weight 3 and hunger of 2 ** 2 at weight 1, discounted by a half each block."""
    states, actions = torch.full((B, K, H, D), 10.0), torch.ones(B, K, H, A)
    felt = (3 * 2 + 1 * 4) * (1 + 0.5 + 0.25 + 0.125)
    more = cost_with(pain=3.0, hunger=1.0)(states, actions) - cost_with()(states, actions)
    assert torch.allclose(more, torch.full((B, K), felt))
    assert set(cost_with(pain=3.0, hunger=0.0).breakdown(states, actions)) == {"reward", "pain", "future_cost"}


def test_after_a_certain_ending_nothing_is_gained_or_lost() -> None:
    """Only the first block counts: it led to the ending."""
    states, actions = torch.full((B, K, H, D), 10.0), torch.ones(B, K, H, A)
    assert torch.allclose(cost_with(continues=0.0)(states, actions), torch.full((B, K), -1.0))


def test_the_breakdown_sums_to_the_cost() -> None:
    """Reward and future cost."""
    states, actions, cost = torch.randn(B, K, H, D), torch.randn(B, K, H, A), cost_with(0.9)
    assert torch.allclose(sum(cost.breakdown(states, actions).values(), torch.zeros(B, K)), cost(states, actions))


def test_the_drive_cannot_be_changed_and_needs_rewards() -> None:
    """Immutable (the paper, p. 14); without predicted rewards it says what to do."""
    with pytest.raises((AttributeError, TypeError)):
        Reward().weight = 0  # type: ignore[attr-defined]
    with pytest.raises(ForethoughtError, match="forethought live"):
        Reward()(Imagined(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)), NoState(torch.zeros(1, 1)))
