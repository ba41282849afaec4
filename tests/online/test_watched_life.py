"""A life that somebody looks at, in a real world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forethought.atomic_io import read_object
from forethought.errors import ForethoughtError
from forethought.online import progress
from forethought.online.live import LIFE, live
from forethought.online.progress import read_progress
from forethought.report.life_page import write_life_page

SHORT: dict[str, Any] = {
    "training.online.random_steps": 40, "training.online.updates_per_step": 0.2, "training.online.batch": 8,
    "training.online.evaluation_steps": 60, "training.online.checkpoint_steps": 40,
}  # fmt: skip


def lived(run: Path, steps: int = 100, **more: Any) -> dict[str, Any]:
    live("CartPole-v1", out=run, steps=steps, **more)
    return read_object(run / LIFE, "the record of the life")


def test_a_watched_life_learns_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    monkeypatch.setattr(progress, "SHARE", 1e9)
    pages = list[str]()

    def watch(run: Path) -> None:
        pages.append(write_life_page(run).read_text())

    watched, alone = lived(tmp_path / "watched", config=SHORT, watch=watch), lived(tmp_path / "alone", config=SHORT)
    assert watched == alone
    assert len(pages) > 3
    assert "It is learning now" in pages[0]
    assert "It has finished" in pages[-1]
    found = read_progress(tmp_path / "alone")
    assert [list(each) for each in found.returns] == alone["returns"]
    assert [at for at, *_ in found.evaluations] == [at for at, _ in alone["evaluations"]]
    assert found.readings


def test_a_life_that_is_interrupted_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            "forethought.online.lifetime.Lifetime._evaluate", lambda self: (_ for _ in ()).throw(ForethoughtError("a fault."))
        )
        with pytest.raises(ForethoughtError, match="a fault"):
            lived(tmp_path, config=SHORT)
    stopped = read_progress(tmp_path)
    assert (stopped.state, stopped.stopped_by) == ("stopped", "a fault.")
    assert "a fault" in write_life_page(tmp_path).read_text()
    lived(tmp_path, config=SHORT, resume=True)
    found = read_progress(tmp_path)
    assert (found.state, found.stopped_by) == ("finished", "")
    assert found.seconds > stopped.seconds
    steps = [at for at, _ in found.readings]
    assert steps == sorted(set(steps))
