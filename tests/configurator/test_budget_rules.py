"""What a training and a decision may take follows from the data, the time and the memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from forethought.config import Configuration
from forethought.errors import ForethoughtError
from forethought.types import StreamSpec

Configured = Callable[..., Configuration]
NUMBERS = StreamSpec("proprioception", (4,), "float32")
OBJECTS = {"between_episodes": 0.19, "layout": 0.0, "at_rest": 0.77}


def test_a_budget_leaves_time_for_the_levels_above(configured: Configured) -> None:
    deep, flat = (
        configured(seen={"length_median": median, "length_max": 99, "layout": 0.1}, seconds=300.0).training
        for median in (40.0, 20.0)
    )
    assert (deep.levels_steps, deep.distances_steps) == (420, 240)
    assert deep.world_model_steps == pytest.approx(0.85 * flat.world_model_steps, abs=2)


def test_levels_that_the_user_asked_for_get_their_time_too(configured: Configured) -> None:
    short = {"length_median": 38.0, "length_max": 99, "layout": 0.1}
    flat = configured(seen=short, seconds=300.0).training
    deep = configured(
        seen=short, seconds=300.0, overrides={"model": {"hierarchy": {"levels": 2, "kind": "learned", "stride": 4}}}
    ).training
    assert (deep.levels_steps, deep.distances_steps) == (420, 240)
    assert deep.world_model_steps == pytest.approx(0.85 * flat.world_model_steps, abs=2)


def test_more_seconds_are_more_steps_in_every_phase(configured: Configured) -> None:
    short, long = configured(seconds=300.0).training, configured(seconds=600.0).training
    for steps in ("world_model_steps", "critic_steps", "policy_steps"):
        assert getattr(long, steps) == pytest.approx(2 * getattr(short, steps), abs=2)
    assert "300 s" in configured(seconds=300.0).because("training.critic_steps")


def test_a_budget_of_seconds_that_is_too_small_is_refused(configured: Configured) -> None:
    with pytest.raises(ForethoughtError, match=r"A budget of 3 s is too small: .* needs about \d+ s") as raised:
        configured(seconds=3.0)
    need = float(str(raised.value).split("about ")[1].split(" s")[0])
    assert configured(seconds=need + 1).training.world_model_steps > 0, "what the sentence asks for is enough"


def test_a_budget_of_memory_that_is_too_small_is_refused(configured: Configured) -> None:
    with pytest.raises(ForethoughtError, match=r"needs about .* GiB and 0.1 GiB are allowed: lower training\.batch"):
        configured(memory_gib=0.1)
    with pytest.raises(ForethoughtError, match=r"now 4096"):
        configured(memory_gib=4.0, overrides={"training.batch": 4096})
    assert configured(memory_gib=4.0).training.batch > 0
    configured(overrides={"training.batch": 4096})


def test_a_decision_that_is_too_short_to_plan_is_refused(configured: Configured) -> None:
    """With the clock one iteration must fit on a fast machine; by estimates, all iterations on a common one."""
    for reproducible, least in ((False, 1.0), (True, 4.0)):
        with pytest.raises(ForethoughtError, match=r"0.1 ms a decision is too little .* mode='react'") as raised:
            configured(ms_per_decision=0.1, reproducible=reproducible)
        need = float(str(raised.value).split("at least ")[1].split(" ms")[0])
        assert need >= least
        assert configured(ms_per_decision=need, reproducible=reproducible).planner.search.num_samples >= 16


def test_milliseconds_are_a_deadline_unless_plans_must_be_reproducible(configured: Configured) -> None:
    assert configured(ms_per_decision=30.0).planner.ms_per_decision == 30.0
    assert configured(ms_per_decision=30.0, reproducible=True).planner.ms_per_decision is None
    assert configured().planner.ms_per_decision is None


def test_a_reproducible_budget_is_refused_by_the_estimate_and_another_only_where_no_machine_would_do(
    configured: Configured,
) -> None:
    with pytest.raises(ForethoughtError, match=r"too small: .* on this kind of machine"):
        configured(seconds=15.0, reproducible=True)
    assert configured(seconds=15.0).training.world_model_steps > 0


def test_more_milliseconds_are_more_candidates_up_to_a_limit(configured: Configured) -> None:
    few, many, most = (configured(ms_per_decision=ms).planner.search for ms in (20.0, 60.0, 1e5))
    assert few.num_samples < many.num_samples <= most.num_samples == 1000
    for settings in (few, many, most):
        assert 2 <= settings.num_elites < settings.num_samples
    assert "20 ms" in configured(ms_per_decision=20.0).because("planner.search.num_samples")


def test_a_decisions_time_is_shared_by_its_futures_and_by_its_blocks(configured: Configured) -> None:
    one, eight, twice = (
        configured(ms_per_decision=100.0, overrides=wish).planner
        for wish in ({}, {"model.latent.num_codes": 4}, {"planner.horizon": 10})
    )
    assert (eight.risk.num_scenarios, twice.horizon) == (8, 2 * one.horizon)
    assert eight.search.num_samples == pytest.approx(one.search.num_samples / 8, abs=1)
    assert twice.search.num_samples == pytest.approx(one.search.num_samples / 2, abs=1)


def test_long_ways_take_longer_to_learn(configured: Configured) -> None:
    far, numbers = {"layout": 0.01, "length_median": 400.0, "length_max": 400}, {"streams": (NUMBERS,)}
    found = [
        configured(seen=far | {"length_median": blocks}, world=world).training
        for blocks, world in ((400.0, {}), (20.0, {}), (400.0, numbers), (20.0, numbers))
    ]
    assert [each.world_model_steps for each in found] == [1500, 468, 1171, 468]
    assert [each.critic_steps for each in found] == [4000, 4000, 6000, 4000]
    assert [each.loss.multi_step_inverse for each in found] == [0, 0, 3, 0], "walls are not shown by numbers"
