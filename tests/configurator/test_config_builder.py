"""Settings in the making: the default until chosen, the last word to the user."""

from __future__ import annotations

import pytest

from forethought.config import LIFETIMES, Configuration, DataSpec, PlannerConfig, StreamSettings
from forethought.configurator.config_builder import ConfigBuilder

BODY = DataSpec(
    world="toy",
    streams=(StreamSettings(name="proprioception", shape=(2,), mean=(0.0, 0.0), std=(1.0, 1.0)),),
    action_kind="continuous",
    action_size=1,
    low=(-1.0,),
    high=(1.0,),
    block=1,
)


def test_lifetimes_are_those_of_a_configuration() -> None:
    assert {*LIFETIMES, "schema_version", "data", "reasons", "history"} == set(Configuration.model_fields)


def test_a_setting_is_its_default_then_the_rules_then_the_users() -> None:
    choices = ConfigBuilder({})
    assert choices.planner.horizon == PlannerConfig().horizon
    assert not choices.asked("planner.horizon")
    with choices.because("far goals"):
        choices.planner.horizon = 11
    assert choices.planner.horizon == 11
    assert not choices.asked("planner.horizon"), "the rules are not the user"
    asked = ConfigBuilder({"planner.horizon": 12, "model.retrieval_horizon": 12})
    assert asked.planner.horizon == 12
    assert asked.asked("planner.horizon")
    with asked.because("far goals"):
        asked.planner.horizon = 11
    assert asked.planner.horizon == 12
    configuration = asked.build(BODY)
    assert configuration.planner.horizon == 12
    assert configuration.because("planner.horizon") == "you asked for it (the rules say 11)"


def test_nothing_is_set_without_a_reason() -> None:
    choices = ConfigBuilder({})
    with pytest.raises(AssertionError, match=r"planner\.horizon is set without a reason"):
        choices.planner.horizon = 11
    with choices.because("far goals"):
        choices.planner.horizon = 4
    with pytest.raises(AssertionError, match="without a reason"):
        choices.planner.horizon = 5
    assert choices.build(BODY).because("planner.horizon") == "far goals"


def test_a_kind_that_the_rules_choose_keeps_what_both_kinds_have() -> None:
    choices = ConfigBuilder({"planner.search.num_samples": 40})
    with choices.because("to see"):
        choices.planner.search.kind = "mppi"
    found = choices.build(BODY).planner.search
    assert (found.kind, found.num_samples) == ("mppi", 40)


def test_nothing_chosen_is_all_defaults() -> None:
    assert ConfigBuilder({}).build(BODY) == Configuration(data=BODY)
