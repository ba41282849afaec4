"""The training record: what is read from it is checked, because a resume writes it back and computes with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forethought.errors import CorruptFileError, ForethoughtError
from forethought.training.record import TRAINING, training_record

GOOD: dict[str, Any] = {"seconds": {"critic": 1}, "store": "/somewhere", "fingerprint": "abc", "wiser": None}
DECISION = {"phase": "critic", "part": "critic", "step": 3, "steps": 40, "limit": None}
BUDGET = {"seconds": 60, "reproducible": True, "decisions": [DECISION], "elapsed": 2.0}
CHANGE = {"phase": "critic", "step": 3, "threads": 1}


def write(run: Path, **fields: Any) -> None:
    (run / TRAINING).write_text(json.dumps(GOOD | fields))


def test_a_good_record_comes_back(tmp_path: Path) -> None:
    write(tmp_path, budget=BUDGET, thread_changes=[CHANGE])
    assert training_record(tmp_path) == GOOD | {"device": "cpu", "budget": BUDGET, "thread_changes": [CHANGE]}


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"seconds": {"critic": "1"}}, "seconds.critic"),
        ({"seconds": {"critic": -1.0}}, "seconds.critic"),
        ({"seconds": [1.0]}, "seconds"),
        ({"store": 3}, "store"),
        ({"store": "a\0b"}, "store"),
        ({"fingerprint": None}, "fingerprint"),
        ({"train_frames": 0.5}, "train_frames"),
        ({"budget": BUDGET | {"seconds": 0}}, "budget.seconds"),
        ({"budget": BUDGET | {"reproducible": 1}}, "budget.reproducible"),
        ({"budget": BUDGET | {"decisions": [DECISION | {"steps": "x"}]}}, "budget.decisions.0.steps"),
        ({"thread_changes": [CHANGE | {"threads": 0.5}]}, "thread_changes.0.threads"),
        ({"thread_changes": [{}]}, "thread_changes.0.phase"),
    ],
)
def test_another_type_or_range_is_named(tmp_path: Path, fields: dict[str, Any], place: str) -> None:
    write(tmp_path, **fields)
    with pytest.raises(CorruptFileError, match=rf"training\.json: the training record is damaged \({place} "):
        training_record(tmp_path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999"])
def test_a_number_that_is_not_finite_is_refused_when_read(tmp_path: Path, number: str) -> None:
    """A resume would write it back, which JSON refuses."""
    (tmp_path / TRAINING).write_text(json.dumps(GOOD).replace('"critic": 1', f'"critic": {number}'))
    with pytest.raises(ForethoughtError, match="is not finite"):
        training_record(tmp_path)
