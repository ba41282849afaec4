"""Stops that were headed for in vain are blamed, per episode, and only then."""

from __future__ import annotations

import torch

from forethought.memory import StalledWaypoints
from forethought.memory.stalled_waypoints import ARRIVED, PATIENCE, PENALTY


def lived(remaining: list[float], stop: int = 1) -> StalledWaypoints:
    ends = StalledWaypoints(3)
    ends.reset(1)
    for blocks in remaining:
        ends.write(torch.tensor([stop]), torch.tensor([blocks]))
    return ends


def test_progress_is_never_blamed() -> None:
    assert not lived([20.0 - 0.5 * step for step in range(30)]).penalty.any()


def test_a_stop_that_brings_nothing_nearer_is_blamed_after_a_while() -> None:
    assert not lived([20.0] * PATIENCE).penalty.any()
    assert lived([20.0] * (PATIENCE + 1)).penalty.tolist() == [[0.0, PENALTY, 0.0]]


def test_it_is_blamed_again_and_costs_more() -> None:
    assert lived([20.0] * 2 * (PATIENCE + 1)).penalty[0, 1] == 2 * PENALTY


def test_at_the_goal_there_is_no_progress_to_be_made() -> None:
    assert not lived([0.9 * ARRIVED] * 50).penalty.any()


def test_episodes_are_judged_alone_and_forgotten() -> None:
    ends = StalledWaypoints(3)
    ends.reset(2)
    for step in range(PATIENCE + 1):
        ends.write(torch.tensor([0, 2]), torch.tensor([9.0, 9.0 - step]))
    assert ends.penalty.tolist() == [[PENALTY, 0.0, 0.0], [0.0, 0.0, 0.0]]
    ends.reset(2)
    assert not ends.penalty.any()
