"""Settings in the making: the default until chosen, the last word to the user."""

from __future__ import annotations

from forethought.config import Configuration, DataSpec, PlannerConfig, StreamSettings
from forethought.configurator.config_builder import SECTIONS, ConfigBuilder

BODY = DataSpec(
    world="toy",
    streams=(StreamSettings(name="proprioception", shape=(2,), mean=(0.0, 0.0), std=(1.0, 1.0)),),
    action_kind="continuous",
    action_size=1,
    low=(-1.0,),
    high=(1.0,),
    block=1,
)


def test_sections_are_those_of_a_configuration() -> None:
    assert {*SECTIONS, "schema_version", "space", "reasons"} == set(Configuration.model_fields)


def test_a_setting_is_its_default_then_the_rules_then_the_users() -> None:
    choices = ConfigBuilder()
    assert choices.chosen("planner.horizon") == PlannerConfig().horizon
    choices.choose("planner.horizon", 11, "far goals")
    assert choices.chosen("planner.horizon") == 11
    asked = ConfigBuilder()
    asked.override({"planner.horizon": 12})
    assert asked.chosen("planner.horizon") == 12
    asked.choose("planner.horizon", 11, "far goals")
    assert asked.chosen("planner.horizon") == 12
    configuration = asked.build(BODY)
    assert configuration.planner.horizon == 12
    assert configuration.because("planner.horizon") == "you asked for it (the rules say 11)"


def test_nothing_chosen_is_all_defaults() -> None:
    assert ConfigBuilder().build(BODY) == Configuration(space=BODY)
