"""The first screen: a report below random actions, without a world, and after a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny
from forethought.errors import ForethoughtError
from forethought.report import run_report
from forethought.report.run_report import first_lines, show_run, show_trained


def copied(run: Path, to: Path) -> Path:
    import shutil

    shutil.copytree(run, to)
    return to


def test_a_recording_without_a_world_gets_a_page_of_predictions(tmp_path: Path) -> None:
    run = copied(tiny.point_run(False), tmp_path / "run")
    page = show_run(run).read_text()
    (line,) = first_lines(run)
    assert line.startswith("There is no world to act in")
    assert page.index("There is no world to act in") < page.index("<main>")
    assert 'id="ahead"' in page
    assert 'id="success"' not in page


def test_a_run_below_random_actions_says_so_first(tmp_path: Path) -> None:
    run = copied(tiny.rooms_run(), tmp_path / "run")
    page = show_run(run, tasks=4).read_text()
    verdict, *causes = first_lines(run)
    assert "random actions" in verdict
    assert any("try:" in line for line in causes)
    assert page.index(verdict[:40]) < page.index('class="lead"')


def test_what_fails_after_training_leaves_the_agent_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> Path:
        raise RuntimeError("the screen is on fire")

    monkeypatch.setattr(run_report, "show_run", failing)
    with pytest.raises(ForethoughtError, match=r"safe in .*run.*RuntimeError: the screen is on fire.*forethought report"):
        show_trained(tmp_path / "run")
