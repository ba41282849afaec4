"""Every setting says what it is, in a sentence of its own."""

from __future__ import annotations

import pytest

from forethought.config import Configuration, Reason, Settings, StreamSettings, model_of

SECTIONS = [model_of(name) for name in Configuration.model_fields if name not in ("reasons", "schema_version")]


@pytest.mark.parametrize("model", [*SECTIONS, StreamSettings, Reason, Configuration], ids=lambda model: model.__name__)
def test_each_setting_has_its_own_sentence(model: type[Settings]) -> None:
    told = {name: field.description or "" for name, field in model.model_fields.items()}
    assert told
    assert not {name: words for name, words in told.items() if len(words) < 15 or not words.endswith(".")}
    assert len(set(told.values())) == len(told), "two settings share a sentence"


def test_no_class_of_settings_is_left_out() -> None:
    own = {model for model in Settings.__subclasses__() if model.__module__ == Settings.__module__}
    assert {*SECTIONS, StreamSettings, Reason, Configuration} == own
