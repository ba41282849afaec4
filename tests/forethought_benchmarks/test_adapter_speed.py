"""The speed of recording: every manner is measured, and a picture at each step costs more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forethought_benchmarks.adapter_speed import CASES, SpeedProtocol, run


@pytest.mark.slow
def test_every_manner_is_measured(tmp_path: Path) -> None:
    cases = (CASES[0], CASES[2], ("missing", "no_such_module:Env-v0", {}))
    rows = json.loads(run(tmp_path, SpeedProtocol(cases, repeats=1, seconds=0.05, copies=2, episodes=2)).read_text())["rows"]
    rates = {(line["world"], line["agent"], line["metric"]): line["value"] for line in rows}
    assert {world for world, *_ in rates} == {cases[0][0], cases[1][0]}
    assert len({agent for world, agent, _ in rates if world == cases[0][0]}) == 9
    assert all(value > 0 for value in rates.values())
    drawn, kept = (rates[cases[1][0], agent, "steps_per_cpu_second"] for agent in ("recorded, each step drawn", "recorded"))
    assert kept > 1.5 * drawn
