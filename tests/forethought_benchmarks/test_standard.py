"""The gate of the standard tasks: what a probe of Push-T's poses tells of states that hold them, and of states that don't."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from forethought.cost.contract import Imagined
from forethought.goals import StateGoal
from forethought_benchmarks.standard.ceilings import PoseCost
from forethought_benchmarks.standard.pose_probe import PoseProbe, pose_numbers, probe_errors

N = 3000


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    generator = np.random.default_rng(0)
    return np.concatenate([generator.uniform(50, 460, (N, 4)), generator.uniform(0, 2 * np.pi, (N, 1))], 1).astype(np.float32)


def test_states_that_hold_the_pose_give_small_errors(truth: np.ndarray) -> None:
    states = np.concatenate([truth[:, :4] / 100, np.cos(truth[:, 4:]), np.sin(truth[:, 4:])], 1).astype(np.float32)
    errors = probe_errors(states[:-500], truth[:-500], states[-500:], truth[-500:])
    assert errors["disc_error_px"] < 8
    assert errors["block_error_px"] < 8
    assert errors["angle_error_degrees"] < 5
    assert errors["linear_angle_error_degrees"] < 0.1, "sine and cosine are among the numbers"


def test_what_a_state_does_not_hold_is_as_wrong_as_a_guess(truth: np.ndarray) -> None:
    states = (truth[:, :2] / 100).astype(np.float32)
    errors = probe_errors(states[:-500], truth[:-500], states[-500:], truth[-500:])
    assert errors["disc_error_px"] < 8
    assert errors["block_error_px"] > 100
    assert errors["angle_error_degrees"] > 60


def test_angles_either_side_of_a_whole_turn_are_near(truth: np.ndarray) -> None:
    turned = truth.copy()
    turned[:, 4] = np.random.default_rng(1).normal(0, 0.05, N) % (2 * np.pi)
    errors = probe_errors(turned[:-500, :4], turned[:-500], turned[-500:, :4], turned[-500:])
    assert errors["angle_error_degrees"] < 6


def test_the_cost_of_a_pose_is_one_at_the_border_of_success(truth: np.ndarray) -> None:
    states = torch.from_numpy(np.concatenate([truth[:, :4] / 100, np.cos(truth[:, 4:]), np.sin(truth[:, 4:])], 1)).float()
    cost = PoseCost(PoseProbe(states, pose_numbers(truth)))
    goal = torch.tensor([[2.0, 2.0, 2.5, 2.5, 1.0, 0.0]])
    moved = goal + torch.tensor([[0.0, 0.0, 0.0, 0.4, 0.0, 0.0]])
    turned = torch.cat([goal[:, :4], torch.tensor([[math.cos(0.7), math.sin(0.7)]])], 1)
    imagined = torch.stack([goal, moved, turned], 1)[:, :, None]
    there, off, round_ = cost(Imagined(imagined, torch.zeros(1, 3, 1, 2)), StateGoal(goal))[0, :, 0].tolist()
    assert there < 0.01
    assert off == pytest.approx(2.0, abs=0.4), "40 px of 20"
    assert round_ == pytest.approx(2.0, abs=0.4), "40 degrees of 20"
