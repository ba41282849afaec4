"""Boxes of actions: what is let in, and a floor that each world draws for itself."""

from __future__ import annotations

import numpy as np
import pytest

from forethought.errors import ForethoughtError, NonFiniteError
from forethought.worlds.box_actions import RandomPolicy, checked
from forethought.worlds.crossing import CrossingWorld


def test_actions_are_clipped_and_named_where_they_are_wrong() -> None:
    assert checked("Here", np.float32([[2, -3], [0.5, 0]]), 2).tolist() == [[1, -1], [0.5, 0]]
    with pytest.raises(ForethoughtError, match=r"Here takes actions of shape \(3, 2\), not \(2, 2\)"):
        checked("Here", np.zeros((2, 2), np.float32), 3)
    with pytest.raises(NonFiniteError, match="action for copy 1 of Here"):
        checked("Here", np.float32([[0, 0], [np.nan, 0]]), 2)


def test_the_random_floor_fills_the_box_and_hangs_on_seed_and_purpose_alone() -> None:
    world = CrossingWorld(2)
    frame = world.reset([5, 6])

    def drawn(purpose: int, seeds: list[int]) -> np.ndarray:
        policy = RandomPolicy(purpose)
        policy.reset(world, seeds)
        return np.stack([policy.act(world, frame) for _ in range(500)])

    first = drawn(60, [5, 6])
    assert np.array_equal(first, drawn(60, [5, 6]))
    assert np.array_equal(first[:, 1], drawn(60, [6, 5])[:, 0])
    assert not np.array_equal(first, drawn(80, [5, 6]))
    assert (np.abs(first) <= 1).all()
    assert np.abs(first.mean((0, 1))).max() < 0.1
    assert first.std() == pytest.approx(3**-0.5, abs=0.02)
