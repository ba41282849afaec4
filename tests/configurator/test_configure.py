"""From a world, figures of the data and a budget to a configuration that says why, or to one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from forethought.config import LIFETIMES, Configuration, ModelConfig, PlannerConfig, Settings, TrainingConfig
from forethought.config.configuration import lookup
from forethought.errors import ForethoughtError
from forethought.types import ActionSpace, StreamSpec

Configured = Callable[..., Configuration]
NUMBERS = StreamSpec("proprioception", (4,), "float32")
WORLDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "layouts alike": {"seen": {"layout": 0.0}},
    "fog": {"world": {"options": {"fog": 12}}},
    "numbers only": {"world": {"streams": (NUMBERS,)}},
    "discrete": {"world": {"action": ActionSpace("discrete", 4)}},
    "drives": {"world": {"drives": ("pain", "hunger")}},
    "budget": {"seconds": 600.0, "memory_gib": 8.0, "ms_per_decision": 100.0},
}

DEFAULTS: dict[str, Settings] = {"model": ModelConfig(), "planner": PlannerConfig(), "training": TrainingConfig()}


def leaves(settings: Settings, name: str) -> Iterator[tuple[str, Any]]:
    """Each setting within a group by its dotted name."""
    for key, value in settings:
        if isinstance(value, Settings):
            yield from leaves(value, f"{name}.{key}")
        else:
            yield f"{name}.{key}", value


@pytest.mark.parametrize("name", WORLDS)
def test_every_setting_that_differs_from_its_default_has_a_reason(configured: Configured, name: str) -> None:
    configuration = configured(**WORLDS[name])
    for lifetime in LIFETIMES:
        default = dict(leaves(DEFAULTS[lifetime], lifetime))
        for setting, value in leaves(getattr(configuration, lifetime), lifetime):
            if value != default[setting]:
                assert len(configuration.because(setting)) > 4, setting
                assert configuration.because(setting) != "the default", setting


@pytest.mark.parametrize("name", WORLDS)
def test_reasons_tell_the_value_that_holds_and_are_words(configured: Configured, name: str) -> None:
    configuration = configured(**WORLDS[name])
    names = [reason.setting for reason in configuration.reasons]
    assert names == sorted(set(names))
    key_settings = {"model.encoder.state_dim", "model.predictor.kind", "training.loss.inverse_dynamics",
                    "training.sequence_length", "training.batch", "training.world_model_steps", "training.seed",
                    "planner.search.kind", "planner.cost.drive_weights", "planner.cost.critic"}  # fmt: skip
    assert key_settings <= set(names)
    for reason in configuration.reasons:
        value = lookup(configuration, reason.setting)
        assert reason.value == (f"{value:g}" if isinstance(value, float) else str(value))
        assert " " in reason.because or reason.because == "given"
        assert not reason.overridden
    assert configuration.because("planner.search.init_std") == "the default"


def test_a_configuration_survives_json(configured: Configured) -> None:
    configuration = configured(**WORLDS["budget"])
    assert Configuration.model_validate(configuration.model_dump(mode="json")) == configuration
    assert Configuration.model_validate_json(configuration.model_dump_json()) == configuration


def test_the_body_is_what_the_world_and_the_data_say(configured: Configured) -> None:
    pixels = StreamSpec("pixels", (64, 64, 3), "uint8")
    body = configured(world={"streams": (pixels, NUMBERS), "drives": ("pain",)}, block=4, seen={"length_median": 2.0}).data
    first, second = body.streams
    assert first.mean == (90.0, 80.0, 70.0)
    assert first.std == (30.0, 20.0, 1.0), "a channel that hardly varies is not blown up"
    assert second.mean == (0.0, 1.0, 2.0, 3.0)
    assert second.std == (1.0, 2.0, 1.0, 4.0)
    assert (body.low, body.high) == ((-1.0, -2.0), (1.0, 2.0))
    assert (body.block, body.block_size, body.drives, body.action_kind) == (4, 8, ("pain",), "continuous")


def test_a_dead_stream_is_refused(configured: Configured) -> None:
    with pytest.raises(ForethoughtError, match="'pixels' stream of toy never changes"):
        configured(seen={"stream_std": {"pixels": (0.0, 0.0, 0.0)}})


def test_the_seed_is_the_given_one(configured: Configured) -> None:
    assert configured(seed=17).training.seed == 17


@pytest.mark.parametrize(
    "overrides",
    [
        {"planner": {"horizon": 9, "cost": {"drive_weights": {"effort": 0.5}}}},
        {"planner.horizon": 9, "planner.cost.drive_weights": {"effort": 0.5}},
        {"planner.horizon": 9, "planner": {"cost": {"drive_weights": {"effort": 0.5}}}},
    ],
)
def test_overrides_nested_or_dotted_win_and_are_marked(configured: Configured, overrides: dict[str, Any]) -> None:
    configuration = configured(overrides=overrides)
    assert configuration.planner.horizon == 9
    assert configuration.planner.cost.drive_weights == {"effort": 0.5}
    marked = {reason.setting: reason for reason in configuration.reasons if reason.overridden}
    assert set(marked) == {"planner.horizon", "planner.cost.drive_weights"}
    assert marked["planner.horizon"].value == "9"
    assert marked["planner.horizon"].because == "you asked for it"
    assert "the rules say" in marked["planner.cost.drive_weights"].because
    untouched = configured()
    assert configuration.training == untouched.training


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"planer.horizon": 3}, "no group 'planer': did you mean 'planner'"),
        ({"planner": {"horizn": 3}}, r"no setting 'planner\.horizn': did you mean 'horizon'"),
        ({"training.loss.covarianc": 3}, "did you mean 'covariance'"),
        ({"planner.horizon": 0}, r"'planner\.horizon' can't be 0"),
        ({"planner.horizon": "far"}, r"'planner\.horizon' can't be 'far'"),
        ({"planner.search.kind": "cemm"}, r"planner\.search\.kind' can't be 'cemm'.*'cem'"),
        ({"planner": 3}, "Give 'planner' as a group"),
        ({"data.block": 3}, "no group 'data'"),
        ({"planner.cost.drive_weights.effort": 3}, r"no setting 'planner\.cost\.drive_weights\.effort'"),
        ({"training.learning_rate": float("nan")}, r"'training\.learning_rate'"),
        ({"training.sequence_length": 21}, r"training\.sequence_length = 21.*longest episode of 20"),
        ({"planner.search.kind": "categorical"}, "'categorical' can't search continuous actions"),
        ({"planner.search.num_elites": 500}, r"planner\.search: num_elites \(500\)"),
        (
            {"planner.history": 1, "model.predictor.context": 2},
            r"planner\.history \(1\) .* model\.predictor\.context \(2\)",
        ),
        ({"planner.retrieved_candidates": 9, "model.retrieval_size": 8}, r"planner\.retrieved_candidates \(9\)"),
        ({"planner.cost.drive_weights": {"efort": 1.0}}, r"no drive 'efort'.*'effort'"),
        ({"planner.cost.critic": 0.0}, "No cost has a weight but effort's"),
        ({"training.learning_rate": float("inf")}, r"'training\.learning_rate' can't be inf"),
        ({"planner.cost.drive_weights": {"effort": -1.0}}, r"'planner\.cost\.drive_weights\.effort' can't be -1"),
        ({"planner.cost.extra": {"mine": -1.0}}, r"'planner\.cost\.extra\.mine' can't be -1"),
        ({"planner.cost.extra": {"subgoal": 1.0}}, r"'subgoal' is the name of a cost that every agent has"),
        ({"model.latent_distance_radius": 21.0}, r"model\.latent_distance_radius = 21.*longest episode of 20"),
        ({"training.seed": -1}, r"'training\.seed' can't be -1"),
    ],
)
def test_wrong_overrides_are_one_sentence(configured: Configured, overrides: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ForethoughtError, match=sentence) as raised:
        configured(overrides=overrides)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_drives_that_are_added_up_without_end_are_refused(configured: Configured) -> None:
    assert configured(overrides={"model.discount": 1.0}).model.discount == 1
    with pytest.raises(ForethoughtError, match=r"model\.discount = 1 adds up what pain will cost without end: set it below 1"):
        configured(world={"drives": ("pain",)}, overrides={"model.discount": 1.0})


def test_a_sampling_planner_is_refused_for_discrete_actions(configured: Configured) -> None:
    with pytest.raises(ForethoughtError, match="'icem' can't search discrete actions"):
        configured(world={"action": ActionSpace("discrete", 3)}, overrides={"planner.search.kind": "icem"})


def test_a_latent_variable_brings_its_settings_along_and_yields_to_yours(configured: Configured) -> None:
    plain, several = configured(), configured(overrides={"model.latent.num_codes": 4})
    assert (plain.planner.risk.num_scenarios, several.planner.risk.num_scenarios) == (1, 8)
    assert several.training.loss.variance > plain.training.loss.variance
    yours = configured(overrides={"model.latent.num_codes": 4, "planner.risk.num_scenarios": 2, "training.loss.variance": 3.0})
    assert (yours.planner.risk.num_scenarios, yours.training.loss.variance) == (2, 3.0)


def test_futures_need_a_latent_variable_and_it_needs_a_model_without_a_past(configured: Configured) -> None:
    with pytest.raises(ForethoughtError, match=r"planner.risk.num_scenarios = 8 .*model.latent.kind = codes"):
        configured(overrides={"planner.risk.num_scenarios": 8})
    with pytest.raises(ForethoughtError, match=r"model.latent.kind = codes needs model.predictor.kind = mlp"):
        configured(overrides={"model.latent.num_codes": 4, "model.predictor.kind": "transformer"})


def test_goals_that_show_a_part_are_met_by_the_critic_alone(configured: Configured) -> None:
    configuration = configured(world={"goals": ("proprioception",), "streams": (NUMBERS,)})
    assert configuration.model.latent_distance_radius == 0
    assert configuration.model.hierarchy.levels == 1
    with pytest.raises(ForethoughtError, match="goals that show everything"):
        configured(world={"goals": ("proprioception",), "streams": (NUMBERS,)}, overrides={"model.hierarchy.levels": 2})
