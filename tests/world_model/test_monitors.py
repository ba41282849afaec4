"""Collapse monitors: rank of data whose rank is known, alarms on each kind of collapse, silence when all is well."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from forethought.world_model.monitors import KINDS, CollapseMonitor, rankme

B, T, D = 200, 5, 16


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rank", [1, 3, 8, 16])
def test_rankme_of_data_of_known_rank(rank: int) -> None:
    left, _ = torch.linalg.qr(normal(500, rank).double())
    right, _ = torch.linalg.qr(normal(D, rank, seed=1).double())
    states = (left - left.mean(0)) @ right.T
    assert rankme(states.float()) == pytest.approx(rank, rel=0.05)
    assert rankme(100 * states.float() + 3) == pytest.approx(rank, rel=0.05), "blind to scale and place"


def test_rankme_counts_what_is_weak_for_less() -> None:
    strong = normal(500, 2)
    assert 2 < rankme(torch.cat([strong, 0.1 * normal(500, 6, seed=1)], 1)) < 6
    assert rankme(torch.ones(50, 4)) == pytest.approx(1.0, abs=1e-3)


def walk() -> tuple[Tensor, Tensor]:
    """A healthy model: an agent that moves by its actions, and a layout, mixed into all dimensions."""
    actions = normal(B, T - 1, 2)
    start = normal(B, 1, 2, seed=1)
    agent = torch.cat([start, start + actions.cumsum(1) * 0.5], 1)
    layout = normal(B, 1, D - 2, seed=2).expand(B, T, D - 2)
    mixing, _ = torch.linalg.qr(normal(D, D, seed=3))
    return torch.cat([agent, layout], -1) @ mixing, actions


def test_no_alarm_on_a_healthy_model() -> None:
    seen = CollapseMonitor.measure(*walk())
    assert seen.alarms == ()
    assert seen.inverse_dynamics_r2 > 0.95
    assert seen.batch_std == pytest.approx(1, abs=0.3)
    assert seen.rankme > 0.8 * D


def test_within_episode_std_by_hand() -> None:
    states = torch.tensor([[[0.0, 5.0], [2.0, 5.0]], [[10.0, 7.0], [12.0, 7.0]]]).repeat(2, 1, 1)
    seen = CollapseMonitor.measure(states, torch.ones(4, 1, 1))
    assert seen.within_episode_std == pytest.approx((2**0.5 + 0) / 2, rel=1e-5)


def test_constant_states_are_total_collapse() -> None:
    states, actions = walk()
    for dead in (torch.ones_like(states), 3 + 1e-3 * states):
        (alarm,) = CollapseMonitor.measure(dead, actions).alarms
        assert alarm.startswith("Total collapse")
        assert "variance" in alarm


def test_states_that_hold_only_the_layout_are_slow_feature_collapse() -> None:
    states, actions = walk()
    still = states[:, :1].expand(-1, T, -1) + 1e-3 * normal(B, T, D, seed=4)
    (alarm,) = CollapseMonitor.measure(still, actions).alarms
    assert alarm.startswith("Slow-feature collapse")
    assert "inverse_dynamics" in alarm


def test_states_that_move_but_not_by_the_actions_are_slow_feature_collapse() -> None:
    states, actions = walk()
    (alarm,) = CollapseMonitor.measure(states + normal(B, T, D, seed=4), normal(*actions.shape, seed=5)).alarms
    assert alarm.startswith("Slow-feature collapse")


def test_steps_whose_order_leaves_no_trace_are_read_by_their_mean() -> None:
    """As in a room in which each step moves the agent on its own: a block apart, only the way as a whole is seen."""
    states, net = walk()
    parts = normal(B, T - 1, 9, 2, seed=4) * 9
    actions = (net[..., None, :] + parts - parts.mean(2, keepdim=True)).flatten(-2)
    seen = CollapseMonitor.measure(states, actions, steps=9)
    assert seen.inverse_dynamics_r2 > 0.95
    assert not seen.alarms
    assert CollapseMonitor.measure(states, actions).alarms, "the monitor of one long step"


def test_where_velocities_are_hidden_no_alarm_asks_two_states_for_a_force() -> None:
    states, actions = walk()
    moved = states + normal(B, T, D, seed=4), normal(*actions.shape, seed=5)
    assert not CollapseMonitor.measure(*moved, velocities=False).alarms
    still = states[:, :1].expand(-1, T, -1) + 1e-3 * normal(B, T, D, seed=4)
    assert CollapseMonitor.measure(still, actions, velocities=False).alarms


def test_a_jump_now_and_then_is_no_collapse() -> None:
    """A teleport: one step in fifty leads far away, by no action."""
    states, actions = walk()
    far = (torch.rand(B, T - 1, 1, generator=torch.Generator().manual_seed(4)) < 0.02) * 30 * normal(B, T - 1, D, seed=5)
    states = torch.cat([states[:, :1], states[:, 1:] + far.cumsum(1)], 1)
    seen = CollapseMonitor.measure(states, actions)
    assert seen.inverse_dynamics_r2 > 0.9
    assert not seen.alarms


def test_states_on_a_line_are_dimensional_collapse() -> None:
    states, actions = walk()
    line = (states[..., :1] + actions.new_zeros(1)) * normal(D, seed=6)
    alarms = CollapseMonitor.measure(line, actions).alarms
    assert any(alarm.startswith("Dimensional collapse: 1.0 effective dimensions of 16") for alarm in alarms)


def test_every_alarm_begins_with_its_kind() -> None:
    states, actions = walk()
    line = states[..., :1].expand(-1, -1, D)
    told = [
        alarm
        for dead in (0 * states, states[:, :1].expand(-1, T, -1), line)
        for alarm in CollapseMonitor.measure(dead, actions).alarms
    ]
    assert {alarm.split(":")[0] for alarm in told} == set(KINDS.values())
