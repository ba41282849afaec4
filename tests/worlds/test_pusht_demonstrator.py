"""Demonstrations of Push-T: pushes lead to the wanted pose, episodes have a speed and a noise, a copy has its own stream."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forethought.worlds import registry
from forethought.worlds.pusht_demonstrator import CENTRE, CONTACTS, PushTDemonstrator, pushes_towards, smallest, turned

NAME = "gym_pusht/PushT-v0"
ARMS, INWARD = CONTACTS[:, :2] - CENTRE, CONTACTS[:, 2:]


def best(apart: tuple[float, float, float]) -> tuple[float, ...]:
    """The contact whose push leads there, in the block's frame."""
    return tuple(CONTACTS[pushes_towards(ARMS, INWARD, np.array(apart)).argmax(), :2].tolist())


def test_a_push_goes_where_it_points_and_turns_as_its_arm_says() -> None:
    assert best((0.0, 50.0, 0.0)) == (0.0, 0.0), "the middle of the bar's edge moves the block along its stem"
    assert best((0.0, -50.0, 0.0)) == (0.0, 120.0), "the end of the stem moves it back"
    x, _ = best((0.0, 20.0, 1.0))
    assert x > 0, "a push down the bar's right end turns x towards y"
    x, _ = best((0.0, 20.0, -1.0))
    assert x < 0


def test_a_turned_vector_and_the_smallest_angle() -> None:
    np.testing.assert_allclose(turned(np.array([1.0, 0.0]), math.pi / 2), [0.0, 1.0], atol=1e-12)
    assert smallest(3 * math.pi / 2) == pytest.approx(-math.pi / 2)
    assert smallest(-0.1) == pytest.approx(-0.1)


def played(seeds: list[int], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """States [steps + 1, N, 5] and actions [steps, N, 2]."""
    world, policy = registry.make(NAME, len(seeds), streams=["proprioception"], reach=100.0), PushTDemonstrator()
    frame = world.reset(seeds)
    policy.reset(world, seeds)
    states, actions = [frame.truth["state"]], []
    for _ in range(steps):
        actions.append(policy.act(world, frame))
        frame = world.step(actions[-1])
        states.append(frame.truth["state"])
    world.close()
    return np.array(states), np.array(actions)


@pytest.mark.worlds
def test_the_data_is_like_the_fields() -> None:
    pytest.importorskip("gym_pusht")
    states, actions = played(list(range(40)), 125)
    assert 0.15 < actions.std() < 0.28, "20 px of 100 in the field's data set"
    blocks = states[::5]
    moved = np.hypot(*np.diff(blocks[:, :, 2:4], axis=0).transpose(2, 0, 1))
    assert 0.4 < (moved > 2).mean() < 0.7, "the block moves in about half of the action blocks"
    turned_by = np.abs((np.diff(blocks[:, :, 4], axis=0) + math.pi) % (2 * math.pi) - math.pi)
    assert (turned_by > math.radians(5)).mean() > 0.2, "and turns in a quarter"
    rough = np.abs(np.diff(actions, axis=0)).mean((0, 2))
    assert rough.max() > 4 * rough.min(), "episodes have levels of noise of their own"


@pytest.mark.worlds
def test_a_copy_acts_by_its_seed_alone() -> None:
    pytest.importorskip("gym_pusht")
    together, alone = played([3, 11, 5], 40), played([11], 40)
    np.testing.assert_array_equal(together[1][:, 1], alone[1][:, 0])
    assert not np.array_equal(together[1][:, 0], together[1][:, 1])
