"""Rules of a life: each reads a measurement and sets what follows from it."""

from __future__ import annotations

import pytest

from forethought.configurator.config_builder import ConfigBuilder
from forethought.configurator.online_rules import block_length, cloning, discount, drives, random_steps


@pytest.mark.parametrize(("blocks", "expected"), [(500, 0.99), (5, 0.95), (50, 0.95), (200, 0.975), (100_000, 0.995)])
def test_the_critic_looks_a_part_of_an_episode_ahead(blocks: float, expected: float) -> None:
    """1 - 5 / blocks, within its bounds; the scale is a usual reward for ever."""
    builder = ConfigBuilder({})
    discount(builder, blocks, 2.0, {})
    assert float(builder.model.discount) == pytest.approx(expected)
    assert float(builder.model.reward.scale) == pytest.approx(2.0 / (1 - expected))


def test_rewards_of_no_size_still_have_a_scale() -> None:
    """Where the random episodes found none, they count as 1; tiny ones are not taken for noise."""
    for size, expected in ((0.0, 100.0), (1e-6, 1.0)):
        builder = ConfigBuilder({})
        discount(builder, 500, size, {})
        assert float(builder.model.reward.scale) == pytest.approx(expected)


def test_a_tenth_of_a_life_is_random_within_bounds() -> None:
    """50 to 500 steps."""
    assert [random_steps(steps) for steps in (100, 3000, 10**6)] == [50, 300, 500]


def test_each_drive_weighs_as_much_as_the_reward() -> None:
    """By their sizes in the random episodes; one that was not felt weighs 1; the scale counts all of them."""
    builder, sizes = ConfigBuilder({}), {"pain": 0.5, "hunger": 0.0}
    drives(builder, 2.0, sizes)
    assert builder.planner.cost.drive_weights == {"effort": 0.0, "pain": 4.0, "hunger": 1.0}
    discount(builder, 500, 2.0, sizes)
    assert float(builder.model.reward.scale) == pytest.approx((2.0**2 + 2.0**2) ** 0.5 / 0.01)


def test_without_a_reward_the_drives_are_the_task() -> None:
    """Each of size 1 after weighing; weights of one's own stay."""
    builder = ConfigBuilder({})
    drives(builder, 0.0, {"pain": 0.25})
    assert builder.planner.cost.drive_weights["pain"] == 4.0
    own = ConfigBuilder({"planner.cost.drive_weights": {"pain": 7.0}})
    drives(own, 2.0, {"pain": 0.5})
    assert own.planner.cost.drive_weights == {"pain": 7.0}


def test_recorded_episodes_are_copied_at_first() -> None:
    """And nothing is where none were recorded."""
    builder = ConfigBuilder({})
    cloning(builder, 0)
    assert builder.training.online.cloning == 0
    cloning(builder, 15)
    assert builder.training.online.cloning > 0


def test_a_drive_that_weighs_nothing_does_not_count_in_the_scale() -> None:
    """Weights of one's own name only one of two drives."""
    builder, sizes = ConfigBuilder({"planner.cost.drive_weights": {"pain": 3.0}}), {"pain": 0.5, "hunger": 9.0}
    drives(builder, 2.0, sizes)
    discount(builder, 500, 2.0, sizes)
    assert float(builder.model.reward.scale) == pytest.approx((2.0**2 + 1.5**2) ** 0.5 / 0.01)


@pytest.mark.parametrize(
    ("change", "length", "expected"),
    [
        (0.26, 20, 1),
        (0.2, 200, 1),
        (0.1, 1000, 2),
        (0.06, 1000, 4),
        (0.001, 1000, 5),
        (0.06, 45, 2),
        (0.06, 5, 1),
        (0.0, 99, 1),
    ],
)
def test_a_slow_world_is_acted_in_by_longer_blocks(change: float, length: float, expected: int) -> None:
    """Not by blocks that leave fewer than twenty in an episode; the reason has the measurement."""
    steps, why = block_length(change, length)
    assert steps == expected
    assert f"{change:.0%} of its spread" in why
