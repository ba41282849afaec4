"""The expected time of an iteration: a line over its candidates."""

from __future__ import annotations

import pytest

from forethought.actor.deadline import DEVIATIONS, IterationTime


def test_nothing_is_expected_before_the_first_iteration() -> None:
    assert IterationTime().expected(100) == 0.0


def test_of_one_size_half_of_the_time_is_taken_as_fixed() -> None:
    """With the caution of its deviation: an eighth of the first time."""
    time = IterationTime()
    time.observe(40, 0.08)
    caution = DEVIATIONS * 0.01
    assert time.expected(40) == pytest.approx(0.08 + caution)
    assert time.expected(80) == pytest.approx(0.12 + caution)
    assert time.expected(0) == pytest.approx(0.04 + caution)
    assert time.most(0.12 + caution + 1e-9) == 80
    assert time.most(0.04) == 0


def test_two_sizes_are_a_line() -> None:
    time = IterationTime()
    for _ in range(400):
        time.observe(16, 0.002 + 0.0001 * 16)
        time.observe(64, 0.002 + 0.0001 * 64)
    assert time.expected(200) == pytest.approx(0.022, rel=0.02)
