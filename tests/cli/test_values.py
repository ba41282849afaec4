"""Words into nested data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forethought.cli.values import options_of, overrides_of, value_of
from forethought.config.configuration import nested
from forethought.errors import ForethoughtError


@given(st.one_of(st.integers(), st.booleans(), st.none(), st.lists(st.integers()), st.floats(allow_nan=False)))
def test_json_values_come_back(value: object) -> None:
    assert value_of(json.dumps(value)) == value


def test_words_stay_words() -> None:
    assert options_of(["layout=four", "path=a=b"]) == {"layout": "four", "path": "a=b"}


def test_words_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"planner": {"search": {"kind": "mppi"}, "horizon": 3}, "planner.history": 32}')
    overrides = overrides_of(file, ["planner.horizon=8", "planner.history=16"])
    assert nested(overrides) == {"planner": {"search": {"kind": "mppi"}, "horizon": 8, "history": 16}}


@pytest.mark.parametrize("word", ["horizon", "=3", "horizon=3", "a=1"])
def test_words_of_the_wrong_form(word: str) -> None:
    with pytest.raises(ForethoughtError, match=r"key=value|names no group"):
        overrides_of(None, [word])


def test_a_group_is_not_a_value() -> None:
    with pytest.raises(ForethoughtError, match="plain value"):
        nested(overrides_of(None, ["a.b=1", "a.b.c=2"]))


@pytest.mark.parametrize("text", ["{", "[1]", '"x"'])
def test_files_of_the_wrong_form(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(ForethoughtError, match=r"config\.json"):
        overrides_of(file, [])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="cannot be read"):
        overrides_of(tmp_path / "no.json", [])
