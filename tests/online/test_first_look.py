"""What random episodes tell of the reward."""

from __future__ import annotations

import numpy as np
import pytest

from forethought.online.first_look import nothing_found, reward_size
from forethought.types import Episode


def episode(kind: str, seed: int = 0, length: int = 200) -> Episode:
    """A random walk, rewarded in different ways."""
    random = np.random.default_rng(seed)
    actions = random.uniform(-1, 1, (length, 1)).astype(np.float32)
    places = np.concatenate([[[0.0]], np.cumsum(actions, 0)]).astype(np.float32)
    rewards = {
        "effort": np.r_[0, -0.1 * random.uniform(-1, 1, length) ** 2],
        "place": -np.abs(places[:, 0]),
        "nothing": np.zeros(length + 1),
        "always": -np.ones(length + 1),
    }[kind]
    drives = np.zeros((length + 1, 0), np.float32)
    return Episode({"proprioception": places}, actions, {}, drives, seed, rewards.astype(np.float32))


@pytest.mark.parametrize(("kind", "curious"), [("effort", True), ("nothing", True), ("always", True), ("place", False)])
def test_curiosity_is_for_rewards_that_nothing_observed_explains(kind: str, curious: bool) -> None:
    """Where the place tells the reward, it is no question where to go."""
    assert nothing_found([episode(kind, 0), episode(kind, 1)]) is curious


def test_an_ending_is_a_finding() -> None:
    """A pole that falls is something to avoid, though every step is rewarded alike."""
    ended = episode("always")
    ended.terminated[-1] = True
    assert not nothing_found([ended, episode("always", 1)])


def test_the_size_of_rewards_leaves_out_the_row_before_the_first_block() -> None:
    """Root mean square."""
    assert reward_size([episode("always")]) == pytest.approx(1.0)
