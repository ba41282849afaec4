"""The page about collapse: every arm's pictures and figures are the result file's, and an alarm is told where it rang."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forethought.atomic_io import write_json
from forethought.evaluation.result_rows import row, write_results
from forethought.world_model.monitors import KINDS
from forethought_benchmarks.collapse import LOOK, NAME
from forethought_benchmarks.collapse_page import KINDS_OF_COLLAPSE, write_collapse_page

FIGURES = {"batch_std": 0.9, "within_episode_std": 0.4, "rank_me": 12.5, "inverse_dynamics_r2": 0.5, "probe_position_r2": 0.8}
SENTENCE = "Total collapse: the states hardly differ <b>"


def made_up_arm(out: Path, name: str, alarms: dict[str, float], sentences: list[str], spread: float) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    look = {
        "about": f"About {name}.", "alarms": sentences, "singular_values": [1.0, 0.1, 0.0], "shares": [0.7, 0.2],
        "points": (spread * rng.normal(size=(30, 2))).tolist(), "positions": rng.uniform(0, 64, (30, 2)).tolist(),
        "episodes": np.repeat(range(3), 10).tolist(),
    }  # fmt: skip
    (out / NAME / f"{name}-3").mkdir(parents=True)
    write_json(out / NAME / f"{name}-3" / LOOK, look)
    success = row(NAME, name, "success_rate", 0.25, low=0.1, high=0.5, n=20, seeds=[3], floor=0.05, ceiling=1.0)
    figures = FIGURES | dict.fromkeys(KINDS, 0.0) | alarms
    return [success, *(row(NAME, name, metric, value, seeds=[3]) for metric, value in figures.items())]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    found = made_up_arm(tmp_path, "none", {"alarm_total": 1.0}, [SENTENCE], 1e-4)
    found += made_up_arm(tmp_path, "full", {}, [], 2.0)
    return write_results(tmp_path, NAME, found, command="forethought bench collapse")


def test_the_page_tells_figures_and_alarms(rows: Path) -> None:
    page = write_collapse_page(rows)
    text = page.read_text()
    assert page == rows.parent / "collapse.html"
    assert text.count("<svg") == 3 * 3, "three pictures for each arm, and for the kind that one of them shows"
    assert "About none." in text
    assert SENTENCE.replace("<b>", "&lt;b&gt;") in text
    assert text.count("None of these world models has this kind of collapse.") == 2
    assert "12.5" in text
    assert text.count('<span class="badge bad">Total collapse</span>') == 2, "in the table and over its pictures"
    assert text.count('<span class="badge bad">') == 2
    assert "wall and door, R²" not in text, "no such probe here"


def test_the_page_needs_no_network_and_is_the_same_each_time(rows: Path) -> None:
    first = write_collapse_page(rows).read_bytes()
    assert b"http" not in first.replace(b"http-equiv", b"")
    assert b"<script" not in first
    assert write_collapse_page(rows).read_bytes() == first


def test_figures_are_means_over_seeds(rows: Path) -> None:
    bench = json.loads(rows.read_text())
    other = [{**line, "value": 0.3, "seeds": [4]} for line in bench["rows"] if line["metric"] == "batch_std"]
    bench["rows"] = [line for name in ("none", "full") for line in bench["rows"] + other if line["agent"] == name]
    write_json(rows, bench)
    assert '<td class="n">0.6</td>' in write_collapse_page(rows).read_text()


def test_every_alarm_is_explained() -> None:
    assert sorted(kind.alarm for kind in KINDS_OF_COLLAPSE) == sorted(KINDS)
    assert all(KINDS[kind.alarm] == kind.title for kind in KINDS_OF_COLLAPSE)
