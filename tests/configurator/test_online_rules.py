"""Rules of a life: each reads a measurement and sets what follows from it."""

from __future__ import annotations

import pytest

from forethought.configurator.config_builder import ConfigBuilder
from forethought.configurator.online_rules import discount, random_steps


@pytest.mark.parametrize(("blocks", "expected"), [(500, 0.99), (5, 0.95), (50, 0.95), (200, 0.975), (100_000, 0.995)])
def test_the_critic_looks_a_part_of_an_episode_ahead(blocks: float, expected: float) -> None:
    """1 - 5 / blocks, within its bounds; the scale is a usual reward for ever."""
    builder = ConfigBuilder({})
    discount(builder, blocks, 2.0)
    assert float(builder.model.discount) == pytest.approx(expected)
    assert float(builder.model.reward.scale) == pytest.approx(2.0 / (1 - expected))


def test_rewards_of_no_size_still_have_a_scale() -> None:
    """Where the random episodes found none."""
    builder = ConfigBuilder({})
    discount(builder, 500, 0.0)
    assert float(builder.model.reward.scale) == pytest.approx(1.0)


def test_a_tenth_of_a_life_is_random_within_bounds() -> None:
    """50 to 500 steps."""
    assert [random_steps(steps) for steps in (100, 3000, 10**6)] == [50, 300, 500]
