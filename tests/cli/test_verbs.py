"""The main job, tiny, through the command line; then every other verb on what it left."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forethought.cli.main import main
from forethought.evaluation import evaluate as evaluating
from forethought_benchmarks import pages

PROMISED = {
    *("success_rate", "success_low", "success_high", "random_floor", "expert_ceiling", "mode1_success_rate"),
    *("ms_per_decision_mode1", "ms_per_decision_mode2", "model_calls_per_decision"),
    *("train_frames", "train_seconds", "probe_position_r2", "seed"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny demo."""
    folder = tmp_path_factory.mktemp("verbs") / "demo"
    assert main(["demo", "--tiny", "--out", str(folder), "--seed", "3"]) == 0
    return folder


def test_demo_leaves_its_figures_and_its_page(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics.keys() >= PROMISED
    assert metrics["seed"] == 3
    assert 0 <= metrics["success_low"] <= metrics["success_rate"] <= metrics["success_high"] <= 1
    assert metrics["expert_ceiling"] == 1
    page = (run / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "Level 2: position" in page, "what each level's state tells"


def test_show_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(run)]) == 0
    said = capsys.readouterr().out
    assert "an agent for forethought/Rooms-v0, trained" in said
    assert "success_rate" in said
    assert "yours: you asked for it" in said
    assert "without it the state encodes the background" in said


def test_show_store(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(run / "store")]) == 0
    said = capsys.readouterr().out
    assert "24 episodes of forethought/Rooms-v0" in said
    assert "held out" in said
    assert "uint8 [64, 64, 3]" in said


def test_evaluate(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(run), "--tasks", "2", "--mode", "react", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "of 2 tasks [" in capsys.readouterr().out
    assert json.loads((tmp_path / "metrics.json").read_text())["tasks"] == 2


def test_evaluate_says_what_limits_the_score(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks that failed, and decisions without time to plan: in words, and as figures."""
    plain = evaluating.evaluation

    def limited(*given: Any, **named: Any) -> Any:
        found = plain(*given, **named)
        return replace(found, score=replace(found.score, failed_tasks=1, failures=("it hung.",), fallback_share=0.5))

    monkeypatch.setattr(evaluating, "evaluation", limited)
    assert main(["evaluate", str(run), "--tasks", "2", "--mode", "react"]) == 0
    said = capsys.readouterr().out
    assert "1 of 2 tasks failed and count as not reached: it hung." in said
    assert "In 50% of the decisions Mode-1 acted" in said
    assert re.search(r"failed_tasks +1\n", said)
    assert re.search(r"fallback_share +0\.5\n", said)


def test_report_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "report.html").stat().st_mtime_ns
    assert main(["report", str(run)]) == 0
    assert str(run / "report.html") in capsys.readouterr().out
    assert (run / "report.html").stat().st_mtime_ns > before


def test_train_on_a_store(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run's own configuration, handed in as a file, with one wish on top."""
    sections = json.loads((run / "configuration.json").read_text())
    few = {name: sections[name] for name in ("model", "planner", "training")}
    (tmp_path / "mine.json").write_text(json.dumps(few))
    words = ["train", str(run / "store"), "--out", str(tmp_path / "run"), "--config", str(tmp_path / "mine.json")]
    assert main([*words, "--set", "planner.search.kind=mppi"]) == 0
    assert str(tmp_path / "run" / "report.html") in capsys.readouterr().out
    settings = json.loads((tmp_path / "run" / "configuration.json").read_text())
    assert settings["planner"]["search"]["kind"] == "mppi"


def test_worlds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worlds"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("forethought/Rooms-v0\n")
    assert "gym_pusht/PushT-v0" in said


def test_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["look", "forethought/Rooms-v0", "--out", str(tmp_path / "rooms.png"), "--episodes", "1"]
    assert main([*words, "--option", "max_steps=10"]) == 0
    told = capsys.readouterr().out
    assert "sees       pixels: image 64 x 64 x 3, uint8" in told
    assert "limit      10 steps an episode" in told
    assert (tmp_path / "rooms.png").is_file()
    assert main(["look", "Nowhere-v0"]) == 2


def test_bench_says_where_rows_and_page_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "forethought_benchmarks.registry.BENCHMARKS", {"a": lambda out, seeds: out / "a.json", "b": lambda out, seeds: out}
    )
    monkeypatch.setattr(pages, "PAGES", {"a": lambda rows: rows.with_suffix(".html")})
    assert main(["bench", "a", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert f"The rows: {tmp_path / 'a.json'}" in told
    assert f"The page: {tmp_path / 'a.html'}" in told
    assert main(["bench", "b", "--out", str(tmp_path)]) == 0
    assert "The page" not in capsys.readouterr().out


def test_bench_without_a_name_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench"]) == 0
    assert "rooms-random-doors" in capsys.readouterr().out
