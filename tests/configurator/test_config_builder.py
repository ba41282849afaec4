"""Settings in the making: the default until chosen, the last word to the user."""

from __future__ import annotations

from forethought.configurator.config_builder import SECTIONS, ConfigBuilder
from forethought.settings import ActorSettings, Configuration, SpaceSettings, StreamSettings

BODY = SpaceSettings(
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
    assert choices.chosen("actor.horizon") == ActorSettings().horizon
    choices.choose("actor.horizon", 11, "far goals")
    assert choices.chosen("actor.horizon") == 11
    asked = ConfigBuilder()
    asked.override({"actor.horizon": 12})
    assert asked.chosen("actor.horizon") == 12
    asked.choose("actor.horizon", 11, "far goals")
    assert asked.chosen("actor.horizon") == 12
    configuration = asked.build(BODY)
    assert configuration.actor.horizon == 12
    assert configuration.because("actor.horizon") == "you asked for it (the rules say 11)"


def test_nothing_chosen_is_all_defaults() -> None:
    assert ConfigBuilder().build(BODY) == Configuration(space=BODY)
