"""What is measured of fixed stores and agents is what was measured before: findings, health, gates, scores."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny
from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import make_arena
from forethought.evaluation.diagnosis import diagnose, in_words
from forethought.evaluation.evaluate import evaluate
from forethought.evaluation.health import measure_health
from forethought.evaluation.score import score_mode
from forethought.evaluation.store_examination import examine_store
from forethought.worlds.tasks import make_tasks
from golden_values import check_golden

CASES: dict[str, tuple[Callable[[], Agent], Callable[[], EpisodeStore]]] = {
    "rooms": (tiny.rooms_agent, tiny.rooms_store),
    "levels": (tiny.three_level_agent, tiny.long_store),
    "points": (lambda: tiny.point_agent(False), lambda: tiny.point_store(False)),
    "choices": (lambda: tiny.point_agent(True), lambda: tiny.point_store(True)),
}


@pytest.mark.parametrize("case", CASES)
def test_findings_and_health(case: str) -> None:
    make, store = CASES[case]
    examination, health = examine_store(store()), measure_health(make(), store(), 1000)
    found = {
        "findings": [dataclasses.asdict(finding) for finding in examination.findings],
        "health": dataclasses.asdict(health),
    }
    check_golden(f"health_{case}", found, relative=2e-3, absolute=2e-3)


def test_scores_and_what_is_said_of_them(tmp_path: Path) -> None:
    folder, agent, tasks = str(tiny.folder()), tiny.rooms_agent(), make_tasks(tiny.ROOMS, tiny.OPTIONS, 5, 5)
    arena, found = make_arena(tiny.ROOMS, tiny.OPTIONS, tasks), dict[str, Any]()
    for mode in ("plan", "react"):
        score = score_mode(agent, arena, mode, (0.4, 1.0))
        gates = diagnose(agent, tiny.rooms_store(), score)
        found[mode] = {
            "touched": score.touched, "held": score.held_rate, "calls": score.model_calls_per_decision,
            "verdict": score.verdict,
            "words": [re.sub(r"\d", "#", line.replace(folder, "FOLDER")) for line in in_words(score, gates)],
        }  # fmt: skip
    evaluate(tiny.rooms_run(), tasks=tasks, mode="react", out=tmp_path, seed=3)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    found["metrics"] = {name: value for name, value in metrics.items() if not name.startswith(("ms_", "train_seconds"))}
    check_golden("scores", found, relative=2e-3, absolute=2e-3)
