"""Every setting says what it is, in a sentence of its own, by its lifetime; and what is frozen stays so."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import ValidationError

import forethought.config as config
from forethought.config import Configuration, FrozenDict, Reason, Settings, StreamSettings
from forethought.config.configuration import kinds


def every_model(model: type[Settings] = Configuration) -> Iterator[type[Settings]]:
    yield model
    for name, field in model.model_fields.items():
        for each in (*kinds(model, name), field.annotation, *get_args(field.annotation)):
            if isinstance(each, type) and issubclass(each, Settings):
                yield from every_model(each)


MODELS = sorted(set(every_model()), key=lambda model: model.__name__)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_setting_has_its_own_sentence(model: type[Settings]) -> None:
    told = {name: field.description or "" for name, field in model.model_fields.items()}
    assert told
    assert not {name: words for name, words in told.items() if len(words) < 15 or not words.endswith(".")}
    assert len(set(told.values())) == len(told), "two settings share a sentence"


def test_no_class_of_settings_is_left_out() -> None:
    public = {each for name in config.__all__ if isinstance(each := getattr(config, name), type) and issubclass(each, Settings)}
    assert {*MODELS, Settings} == public
    assert {StreamSettings, Reason} <= set(MODELS)


def test_what_is_frozen_cannot_be_changed_in_place(configuration: Configuration) -> None:
    with pytest.raises(ValidationError):
        configuration.planner.horizon = 9  # type: ignore[misc]
    weights = configuration.planner.cost.drive_weights
    assert isinstance(weights, FrozenDict)
    for change in (
        lambda: weights.__setitem__("effort", 5.0),
        lambda: weights.update(effort=5.0),
        lambda: weights.pop("effort", None),
        weights.clear,
        lambda: weights.setdefault("pain", 1.0),
        lambda: weights.__ior__({"effort": 5.0}),
    ):
        with pytest.raises(TypeError, match="frozen"):
            change()
    for twin in (copy.deepcopy(weights), pickle.loads(pickle.dumps(weights)), dict(weights)):
        assert twin == weights == {"effort": 0.5}


def test_a_configuration_is_the_same_after_json(configuration: Configuration) -> None:
    again = Configuration.model_validate_json(configuration.model_dump_json())
    assert again == configuration
    assert isinstance(again.data.options, FrozenDict)
