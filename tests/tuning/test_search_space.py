"""The search space: around the configurator's choice, valid, and without what the user set."""

from __future__ import annotations

import pytest

import tiny
from forethought.config import Configuration
from forethought.config.configuration import lookup
from forethought.tuning.search_space import QUESTIONS, changes_of, fixed_settings, search_space
from tuning_fixtures import tiny_tuning


@pytest.fixture(params=["images", "numbers", "discrete"])
def own(request: pytest.FixtureRequest) -> Configuration:
    agents = {
        "images": lambda: tiny.rooms_agent().configuration,
        "numbers": lambda: Configuration.model_validate(tiny_tuning().record.own),
        "discrete": lambda: tiny.point_agent(True).configuration,
    }
    return agents[request.param]()


def test_each_option_is_a_configuration_and_one_is_the_configurators(own: Configuration) -> None:
    axes = search_space(own)
    assert len(axes) > 10
    for axis in axes:
        assert axis.options[axis.own].changes == {}
        assert len({option.label for option in axis.options}) == len(axis.options) > 1
        for index, option in enumerate(axis.options):
            changed = own.changed(changes_of(axes, {axis.name: index}), "tried")
            assert (changed.differing(own) == []) == (index == axis.own), (axis.name, option.label)


def test_ordered_options_are_in_order(own: Configuration) -> None:
    for axis in search_space(own):
        if axis.ordered:
            values = [float(option.label) for option in axis.options]
            assert values == sorted(values)
            assert values[axis.own] == pytest.approx(lookup(own, axis.name), rel=1e-4), "labels have six digits"


def test_a_longer_plan_needs_longer_retrieved_sequences(own: Configuration) -> None:
    """Retrieved actions join the first candidates of a search, so they are as long as a plan."""
    axes = search_space(own)
    axis = next(axis for axis in axes if axis.name == "planner.horizon")
    for index in range(len(axis.options)):
        changed = own.changed(changes_of(axes, {axis.name: index}), "tried")
        assert changed.model.retrieval_horizon >= changed.planner.horizon


def test_image_encoders_are_searched_where_there_are_images() -> None:
    assert "image encoder" in {axis.name for axis in search_space(tiny.rooms_agent().configuration)}
    assert "image encoder" not in {axis.name for axis in search_space(tiny.point_agent(False).configuration)}


def test_what_the_user_set_is_not_searched(own: Configuration) -> None:
    fixed = fixed_settings({"training": {"loss": {"sigreg": 0.3}}, "planner.horizon": 3})
    assert fixed == {"training.loss.sigreg", "planner.horizon"}
    names = {axis.name for axis in search_space(own)} - {axis.name for axis in search_space(own, fixed)}
    assert names == {"what prevents collapse", "planner.horizon"}


def test_every_question_says_why_it_is_open() -> None:
    assert all(question.why for question in QUESTIONS)
