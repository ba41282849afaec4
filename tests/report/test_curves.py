"""What the page reads of a run's log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forethought.report.curves import alarms_of, curves_of, monitors_of
from forethought.world_model.monitors import LEAST_R2


def test_a_torn_line_costs_itself_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        json.dumps({"phase": "predictor", "step": 50, "loss": 1.0, "ahead_1": 0.5}),
        '{"phase": "predictor", "step": 100, "lo',
        json.dumps({"phase": "predictor", "step": 100, "loss": 1.0, "ahead_1": 0.25}),
        json.dumps({"phase": "world model", "step": 9, "inverse_dynamics_r2": 0.3, "alarms": ["Total collapse; raise it."]}),
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    (curve,) = curves_of(tmp_path)
    assert (curve.name, curve.values.tolist()) == ("ahead_1", [0.5, 0.25])
    assert "line 2" in caplog.text
    (monitor,) = monitors_of(tmp_path)
    assert monitor.low == LEAST_R2
    (alarm,) = alarms_of(tmp_path)
    assert (alarm.step, alarm.message, alarm.cause) == (9, "Total collapse", "raise it.")


def test_a_run_without_a_log_has_no_curves(tmp_path: Path) -> None:
    assert curves_of(tmp_path) == monitors_of(tmp_path) == alarms_of(tmp_path) == ()
