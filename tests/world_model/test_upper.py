"""A level above the first: what it sees, what a macro-action stands for, how far it imagines."""

from __future__ import annotations

import pytest
import torch

from forethought.settings import HierarchySettings
from forethought.world_model import check_world_model
from forethought.world_model.level import Context
from forethought.world_model.upper import UpperLevel

BELOW, A, SMALL = 16, 6, HierarchySettings(stride=3, state_dim=10, macro_dim=4, hidden=32)


def level(**changes: object) -> UpperLevel:
    torch.manual_seed(0)
    return UpperLevel(BELOW, A, SMALL.model_copy(update=changes))


def test_it_keeps_the_promises_of_every_world_model() -> None:
    check_world_model(level(), state_dim=10, action_dim=4)


def test_a_macro_stands_for_a_stride_of_actions_in_their_order() -> None:
    actions = torch.randn(5, 12, A)
    macros = level().summarise(actions)
    assert macros.shape == (5, 4, 4)
    assert torch.allclose(level().summarise(actions[:, 3:6]), macros[:, 1:2], atol=1e-6), "each of its own stride alone"
    swapped = actions[:, [1, 0, 2]]
    assert (level().summarise(swapped) - macros[:, :1]).abs().max() > 1e-3


def test_a_shared_latent_is_the_state_below() -> None:
    states = torch.randn(7, BELOW)
    shared = level(states="shared")
    assert shared.encode(states) is states
    assert shared.state_dim == BELOW
    imagined = shared.rollout(Context(states[:, None], states.new_zeros(7, 0, 4)), torch.randn(7, 2, 3, 4))
    assert imagined.shape == (7, 2, 3, BELOW)


def test_untrained_states_are_scaled_whatever_comes_in() -> None:
    below = 100 + torch.randn(512, BELOW) * torch.logspace(-2, 2, BELOW)
    upper = level()
    upper.start_at_unit_scale(below)
    states = upper.encode(below)
    assert torch.allclose(states.mean(0), torch.zeros(10), atol=1e-3)
    assert torch.allclose(states.std(0), torch.ones(10), atol=1e-2)


def test_bounds_hold_nearly_all_training_macros() -> None:
    macros = torch.randn(2000, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0])
    upper = level()
    upper.fit_bounds(macros)
    within = ((macros >= upper.low) & (macros <= upper.high)).float().mean(0)
    assert within.tolist() == pytest.approx([0.96] * 4, abs=0.005)
