"""Frames tinted where the state lost something, on the page and through the stored report data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from forethought.data import EpisodeStore
from forethought.readout.missing_variation import StreamVariation
from forethought.report import lost_variation as module
from forethought.report.lost_variation import lost_variation, tinted
from forethought.report.page import write_report
from forethought.report.report_data import LostVariation, ReportMaterial
from forethought.report.storage import load_material, save_material
from forethought.training.state_floor import StateFloor


def test_the_tint_lies_on_its_place_alone() -> None:
    """A frame of 20 x 16 with 2 x 4 places; the sixth place is row 1, column 1."""
    places = np.zeros(8)
    places[5] = 3.0
    picture = tinted(np.full((20, 16, 3), 200, np.uint8), places, (2, 4))
    changed = (picture != 200).any(-1)
    assert changed[10:, 4:8].all()
    assert changed.sum() == 40
    assert (tinted(np.full((20, 16, 3), 200, np.uint8), np.zeros(8), (2, 4)) == 200).all()


def floor(store: EpisodeStore, lost: bool) -> StateFloor:
    """Place 9 of 64 is lost, most in the second row of the third of five episodes."""
    rows = store.starts[:5, None] + np.arange(4)
    excess = torch.zeros(5, 3, 64)
    excess[:, 0, 9] = 1.0
    excess[2, 1, 9] = 5.0
    mask = torch.zeros(64, dtype=torch.bool)
    mask[9] = lost
    missed = torch.stack([torch.full((64,), 0.8), torch.full((64,), 0.3)])
    return StateFloor((StreamVariation("pixels", (8, 8), torch.ones(64), missed, excess, mask),), rows)


@pytest.mark.parametrize("lost", [True, False])
def test_pictures_are_of_the_frames_that_lost_most(monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    agent, store = tiny.rooms_agent(), tiny.rooms_store()
    monkeypatch.setattr(module, "measure_state_floor", lambda *_: floor(store, lost))
    found = lost_variation(agent, store)
    if not lost:
        assert found == ()
        return
    (one,) = found
    assert (one.missed, one.untrained) == pytest.approx((0.8, 0.3))
    untouched = np.ones((64, 64), bool)
    untouched[8:16, 8:16] = False
    worst = store.rows("pixels", np.array([store.starts[2] + 1]))[0]
    assert np.array_equal(one.pictures[1][untouched], worst[untouched])
    assert len(one.pictures) == 5


def test_nothing_is_measured_after_a_very_short_training() -> None:
    assert lost_variation(tiny.rooms_agent(), tiny.rooms_store()) == ()


def test_the_page_shows_it_and_its_data_survive(material: ReportMaterial, tmp_path: Path) -> None:
    one = LostVariation("pixels", 0.31, 0.09, np.zeros((3, 64, 64, 3), np.uint8))
    save_material(tmp_path / "material", replace(material, lost=(one,)))
    loaded = load_material(tmp_path / "material")
    assert loaded.lost[0].untrained == 0.09
    text = write_report(loaded, tmp_path / "report.html").read_text()
    assert "Lost variation of pixels" in text
    assert text.count("red where the state misses more") == 3
    assert "Lost variation" not in write_report(material, tmp_path / "plain.html").read_text()
