"""The explicit rules: what follows from the world and the data."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.errors import ForethoughtError
from forethought.perception.conv import ConvEncoder
from forethought.types import ActionSpace, StreamSpec

Configured = Callable[..., Configuration]
NUMBERS = StreamSpec("proprioception", (4,), "float32")
OBJECTS = {"between_episodes": 0.19, "layout": 0.0, "at_rest": 0.77}


def test_fog_calls_for_a_predictor_that_reads_the_past(configured: Configured) -> None:
    clear, fog = configured(), configured(world={"options": {"fog": 12}})
    assert (clear.model.predictor.kind, clear.model.predictor.context) == ("mlp", 1)
    assert fog.model.predictor.kind == "transformer"
    assert fog.model.predictor.context > 1
    assert fog.training.loss.masked_prediction > 0
    assert "fog" in fog.because("model.predictor.kind")
    assert configured(world={"options": {"fog": 0}}).model.predictor.kind == "mlp"


def test_a_past_that_tells_what_comes_next_calls_for_a_context(configured: Configured) -> None:
    long = {"length_median": 80.0, "length_max": 80}
    hidden, shown = (configured(seen=long, unexplained=told) for told in ((0.42, 0.14), (0.64, 0.49)))
    assert (hidden.model.predictor.kind, hidden.model.predictor.context) == ("window", 3)
    assert hidden.training.predictor_batch * 3 <= shown.training.predictor_batch, "a step takes as long"
    assert hidden.training.rollout_batch * 3 <= shown.training.rollout_batch
    assert "42% of the change unexplained, one more row 14%" in hidden.because("model.predictor.kind")
    assert (shown.model.predictor.kind, shown.model.predictor.context) == ("mlp", 1)
    assert hidden.model.hierarchy.levels == 1 < shown.model.hierarchy.levels, "upper levels read one row"
    assert hidden.training.loss.masked_prediction == 0, "nothing is masked in a picture that hides a velocity"
    assert configured(unexplained=(0.05, 0.01)).model.predictor.kind == "mlp", "little is left to explain"
    asked = configured(unexplained=(0.42, 0.14), overrides={"model.predictor.kind": "mlp"}).model.predictor
    assert (asked.kind, asked.context) == ("mlp", 1)


@pytest.mark.parametrize("asked", [{"model.latent.kind": "codes"}, {"model.encoder.tokens": 4}])
def test_what_supports_no_context_gets_none(configured: Configured, asked: dict[str, object]) -> None:
    found = configured(unexplained=(0.42, 0.14), overrides=asked)
    assert (found.model.predictor.kind, found.model.predictor.context) == ("mlp", 1)
    assert "cannot have a context yet" in found.because("model.predictor.kind")


def test_a_slow_agent_is_neither_a_layout_nor_an_object(configured: Configured) -> None:
    """TwoRoom's, Wall's and Reacher's shares: two random rows of an episode resemble each other there, too."""
    alike = configured(seen={"between_episodes": 0.0, "layout": 0.0, "at_rest": 0.0})
    for between, layout, rests in ((0.064, 0.0, 0.008), (0.138, 0.011, 0.024), (0.104, 0.0, 0.27)):
        slow = configured(seen={"between_episodes": between, "layout": layout, "at_rest": rests})
        assert slow.model == alike.model
        assert slow.training == alike.training
        assert slow.planner == alike.planner


def test_layouts_that_rest_are_no_objects(configured: Configured) -> None:
    balls = configured(seen={"between_episodes": 0.21, "layout": 0.18, "at_rest": 0.31})
    assert balls.training.loss.episode_infonce > 0 == balls.training.loss.ema
    assert balls.training.world_model_steps > configured(seen={"layout": 0.0}).training.world_model_steps


def test_without_pixels_there_is_no_convolution(configured: Configured) -> None:
    configuration = configured(world={"streams": (NUMBERS,)})
    assert configuration.because("model.encoder.image") == "the default", "nothing is said of an encoder that is not there"
    modules = AgentNetworks(configuration)
    assert not any(isinstance(module, ConvEncoder | torch.nn.Conv2d) for module in modules.modules())
    pictures = AgentNetworks(configured(seen={"layout": 0.0}))
    assert any(isinstance(module, ConvEncoder) for module in pictures.modules())


def test_discrete_actions_call_for_the_categorical_planner(configured: Configured) -> None:
    configuration = configured(world={"action": ActionSpace("discrete", 4)})
    assert configuration.planner.search.kind == "categorical"
    assert "4 discrete actions" in configuration.because("planner.search.kind")
    assert configured().planner.search.kind != "categorical"


def test_layouts_that_differ_between_episodes_call_for_contrast(configured: Configured) -> None:
    differ, alike = configured(seen={"layout": 0.06}), configured(seen={"layout": 0.001})
    assert differ.training.loss.episode_infonce > 0 == alike.training.loss.episode_infonce
    assert "6%" in differ.because("training.loss.episode_infonce")
    assert "0.1%" in alike.because("training.loss.episode_infonce")
    assert differ.training.loss.inverse_dynamics > 0 < alike.training.loss.inverse_dynamics


def test_objects_beside_the_agent_are_kept_by_targets_that_the_encoder_does_not_give_itself(configured: Configured) -> None:
    objects, layouts = configured(seen=OBJECTS), configured(seen={"layout": 0.9})
    assert objects.training.loss.ema > 0 == layouts.training.loss.ema
    assert objects.training.loss.inverse_dynamics < layouts.training.loss.inverse_dynamics
    assert objects.training.loss.episode_infonce == objects.training.loss.multi_step_inverse == 0
    assert "19%" in objects.because("training.loss.ema")
    assert (objects.model.encoder.image, layouts.model.encoder.image) == ("spatial-softmax", "conv")


def test_the_agent_beside_objects_counts_in_units_of_what_the_actions_vary(configured: Configured) -> None:
    strong, weak, tiny = (configured(seen=OBJECTS | {"action_variance": variance}) for variance in (0.2, 0.05, 1e-9))
    assert strong.training.loss.inverse_dynamics == pytest.approx(5)
    assert weak.training.loss.inverse_dynamics == pytest.approx(20)
    assert tiny.training.loss.inverse_dynamics == pytest.approx(100)
    assert "0.05" in weak.because("training.loss.inverse_dynamics")


def test_goals_that_place_objects_are_judged_by_what_the_model_can_predict(configured: Configured) -> None:
    objects, layouts = (configured(seen=seen).planner.cost for seen in (OBJECTS, {"layout": 0.9}))
    assert (objects.extra, objects.critic) == ({"goal_energy": 1.0}, 0)
    assert objects.nearest > objects.path > objects.final == 0
    assert (layouts.extra, layouts.critic, layouts.path, layouts.final, layouts.nearest) == ({}, 1, 1, 1, 0)


def test_choices_have_no_slope_to_polish_along(configured: Configured) -> None:
    with pytest.raises(ForethoughtError, match=r"planner.search.gradient_steps .*categorical"):
        configured(world={"action": ActionSpace("discrete", 4)}, overrides={"planner.search.gradient_steps": 2})


def test_what_the_body_feels_gets_a_weight(configured: Configured) -> None:
    configuration = configured(world={"drives": ("pain", "hunger")})
    assert set(configuration.planner.cost.drive_weights) == {"effort", "pain", "hunger"}
    assert "pain, hunger" in configuration.because("planner.cost.drive_weights")
    assert set(configured().planner.cost.drive_weights) == {"effort"}


@pytest.mark.parametrize("median", [2, 3, 20])
def test_clips_fit_the_episodes(configured: Configured, median: int) -> None:
    configuration = configured(seen={"length_median": float(median), "length_max": 20})
    assert configuration.training.sequence_length <= median
    assert str(configuration.training.sequence_length) in configuration.because("training.sequence_length")


def test_episodes_of_one_block_are_refused(configured: Configured) -> None:
    with pytest.raises(ForethoughtError, match="too short to learn from: record at least 10 steps"):
        configured(seen={"length_median": 1.0, "length_max": 1})


def test_a_search_spreads_twice_as_far_as_recorded_actions(configured: Configured) -> None:
    narrow, wide, default = (
        configured(seen={"action_variance": variance}).planner.search.init_std for variance in (0.0484, 0.33, None)
    )
    assert (narrow, wide, default) == (0.44, 0.9, 0.9)
    asked = configured(seen={"action_variance": 0.0484}, overrides={"planner.search.init_std": 0.7})
    assert asked.planner.search.init_std == 0.7
    assert configured(seen={"action_variance": 0.0}).planner.search.init_std == 0.2, "a search must search"
