"""The page of a tuning: every trial, the evidence, the comparison; also of one that is not finished."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from forethought.cli.main import main
from forethought.errors import ForethoughtError
from forethought.report.page import rebuild_report
from forethought.report.tuning_page import write_tuning_page
from forethought.tuning import comparison
from forethought.tuning.record import Compared, TuningRecord, write_tuning
from page_parser import Page
from tuning_fixtures import tiny_tuning


@pytest.fixture(autouse=True)
def few_fresh_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "FRESH_TASKS", 4)


def without_outcome(record: TuningRecord) -> TuningRecord:
    """The record of a tuning in its first stage."""
    return dataclasses.replace(record, stage="training", trials=record.of_stage("training"), compared=(), random_floor=None)


def test_every_trial_and_its_evidence_is_on_the_page() -> None:
    result = tiny_tuning()
    text = rebuild_report(result.run.parent).read_text()
    page = Page(text)
    assert not [one for one in page.references if not one.startswith(("#", "data:"))], "it needs no network"
    assert len(page.ids) == len(set(page.ids))
    for trial in result.record.trials:
        assert f'id="trial-{trial.number}"' in text
        for score in trial.scores:
            assert f"{score.successes}/{score.tasks} [" in text
        for name in trial.options:
            assert f"{name} = " in text
    for sentence in result.sentences:
        assert sentence.replace("'", "&#39;") in text
    assert "You fixed" in text
    assert write_tuning_page(result.run.parent).read_text() == text, "the same record always makes the same page"


def test_the_intervals_of_the_comparison_are_on_the_page(tmp_path: Path) -> None:
    own = Compared("configurator", (True, False) * 50, (0.2, 0.1, 0.3), 100.0)
    tuned = Compared("tuned", (True, True, True, False) * 25, (0.4, 0.3, 0.5), 200.0)
    record = dataclasses.replace(tiny_tuning().record, compared=(own, tuned), stage="comparison")
    write_tuning(tmp_path, record)
    text = write_tuning_page(tmp_path).read_text()
    assert "Tuned: 75% of 100 tasks [66%, 82%]; the configurator&#39;s own: 50% of 100 tasks [40%, 60%]" in text
    assert "is better than the configurator&#39;s: +25 points" in text
    assert "0.40 [0.30, 0.50]" in text


def test_a_tuning_that_is_not_finished_has_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tuning(tmp_path, without_outcome(tiny_tuning().record))
    assert main(["report", str(tmp_path)]) == 0
    text = (tmp_path / "report.html").read_text()
    assert "It is not finished" in text
    assert "--resume" in text
    assert "report.html" in capsys.readouterr().out
    empty = dataclasses.replace(without_outcome(tiny_tuning().record), trials=())
    write_tuning(tmp_path, empty)
    with pytest.raises(ForethoughtError, match="No trial of .* has a score yet"):
        write_tuning_page(tmp_path)
