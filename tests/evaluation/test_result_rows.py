"""Result files: every row has every field, and says what made it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

import forethought
from forethought.evaluation.result_rows import FIELDS, row, today, write_results


def test_a_row_has_every_field_and_null_where_nothing_is_known() -> None:
    made = row("rooms", "mode-2", "success_rate", 0.97, low=0.91, n=100)
    assert tuple(made) == FIELDS
    assert (made["value"], made["low"], made["n"]) == (0.97, 0.91, 100)
    assert made["high"] is None
    assert made["date"] == today()
    assert row("rooms", "mode-2", "success_rate", 0.97, date="2026-01-02")["date"] == "2026-01-02"
    with pytest.raises(KeyError, match="hight"):
        row("rooms", "mode-2", "success_rate", 0.97, hight=1.0)


def test_a_file_says_what_made_it(tmp_path: Path) -> None:
    path = write_results(tmp_path / "new", "rooms", [row("a", "b", "c", 1.0)], command="forethought bench rooms")
    content = json.loads(path.read_text())
    assert path.name == "rooms.json"
    assert list(content) == ["bench", "command", "version", "machine", "date", "rows"]
    assert content["version"] == forethought.__version__
    assert content["command"] == "forethought bench rooms"
    assert datetime.date.fromisoformat(content["date"]).year >= 2024
    assert content["rows"] == [row("a", "b", "c", 1.0)]


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_results(tmp_path, "rooms", [row("a", "b", "c", float("nan"))], command="x")
