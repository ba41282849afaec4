"""Result files: every row has every field, and says what made it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

import forethought
from forethought.evaluation.result_rows import FIELDS, row, score_rows, today, write_results


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


def test_a_rate_is_a_share_of_all_tasks_of_all_seeds() -> None:
    """2 of 4 and 3 of 4: five eighths, not the sum over the product."""
    scores = [
        {
            "touched": touched, "held_rate": sum(touched) / 4, "random_floor": 0.1 * number, "expert_ceiling": 1.0,
            "model_calls_per_decision": 12.0 + number,
            "ms_per_decision": 1.0, "ms_per_decision_p95": 2.0, "date": "2026-01-01",
        }
        for number, touched in enumerate([[1, 1, 0, 0], [1, 1, 1, 0]])
    ]  # fmt: skip
    records = [{"device": "cpu", "train_frames": 7, "seconds": {"critic": 60.0, "policy": 30.0}, "threads": 2}] * 2
    found, held = score_rows("w", "a", scores, records, [0, 1])
    assert found["value"] == held["value"] == 5 / 8
    assert found["by_seed"] == [0.5, 0.75]
    assert found["n"] == 8
    assert found["model_calls"] == [12.5]
    assert found["ms_per_decision"] == [1.0, 2.0]
    assert found["train_cpu_minutes"] == 3.0
    assert found["floor"] == pytest.approx(0.05)
    assert found["low"] < 5 / 8 < found["high"]
