from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from forethought.errors import ForethoughtError
from forethought.report.page import MATERIAL, rebuild_report, write_report
from forethought.report.report_data import Alarm, FuturePictures, Making, ModeScore, ReportMaterial
from forethought.report.storage import save_material
from page_parser import Page

HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def text(page_path: Path) -> str:
    return page_path.read_text(encoding="utf-8")


def test_the_page_is_self_contained(text: str) -> None:
    page = Page(text)
    outside = [r[:60] for r in page.references if not r.startswith(("data:", "#"))]
    assert outside == []
    assert "http://" not in text
    assert "https://" not in text
    assert "script" not in page.tags
    assert "default-src 'none'" in text
    assert not re.search(r"url\((?!#)", text), "no style refers to a file"


def test_it_says_what_matters(text: str) -> None:
    page = Page(text)
    words = " ".join(page.text.replace("\u00a0", " ").split())
    for wanted in ("97 %", "interval 92 % to 99 % over tasks, one seed", "100 %", "480 000", "77 times faster",
                   "probe_position_r2", "yours", "fills 30 ms a decision", "Slow-feature",
                   "forethought demo --seed 0", "2.13.0"):  # fmt: skip
        assert wanted in words, wanted
    assert page.tags.count("video") == 3
    assert page.tags.count("h1") == 1
    assert page.wordless == []


def test_every_link_of_the_page_leads_somewhere_and_ids_are_unique(text: str) -> None:
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert {r[1:] for r in page.references if r.startswith("#") and len(r) < 20} <= set(page.ids)


def test_hostile_words_stay_words(material: ReportMaterial, tmp_path: Path) -> None:
    hostile = dataclasses.replace(
        material, title=HOSTILE, world=HOSTILE, task=HOSTILE,
        episodes=(dataclasses.replace(material.episodes[0], note=HOSTILE, mode=HOSTILE),),
        metrics={HOSTILE: HOSTILE}, alarms=(Alarm(1, HOSTILE, HOSTILE),),
        scores=(ModeScore(HOSTILE, "agent", 0.5, 0.4, 0.6, 10, 1.0),),
        probes={HOSTILE: 0.5}, heat_maps=(dataclasses.replace(material.heat_maps[0], name=HOSTILE),),
        making=Making(HOSTILE, 0, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE),
        curves=tuple(dataclasses.replace(c, name=HOSTILE + c.name, phase=HOSTILE) for c in material.curves),
        monitors=tuple(dataclasses.replace(c, name=HOSTILE, explanation=HOSTILE) for c in material.monitors),
        futures=(dataclasses.replace(material.futures[0], note=HOSTILE),),
        landscapes=(dataclasses.replace(material.landscapes[0], note=HOSTILE),),
    )  # fmt: skip
    page = Page(write_report(hostile, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert "x" not in page.references
    assert page.text.count("<script>alert('x')</script>") > 15


# The last is left out first; what costs most to draw goes early.
PARTS = {
    "imagining": ("imagines",), "futures": (), "scores": ("success",), "alarms": ("alarms",), "making": ("made",),
    "configuration": ("configuration",), "metrics": ("headline", "figures"), "probes": ("health",),
    "error_by_horizon": ("ahead",), "curves": ("learning",), "heat_maps": ("energy",),
    "landscapes": ("landscape",), "monitors": (), "episodes": ("acts",),
}  # fmt: skip


def test_sections_vanish_one_by_one_until_nothing_is_left(material: ReportMaterial, tmp_path: Path) -> None:
    empty = ReportMaterial("t", "w")
    lean = material
    for part, sections in reversed(PARTS.items()):
        lean = dataclasses.replace(lean, **{part: getattr(empty, part)})
        page = Page(write_report(lean, tmp_path / "report.html").read_text(encoding="utf-8"))
        assert {r[1:] for r in page.references if r.startswith("#") and len(r) < 20} <= set(page.ids)
        for section in sections:
            assert section not in page.ids, section
    assert page.tags.count("section") == 0


def test_a_world_without_positions_still_has_its_page(material: ReportMaterial, tmp_path: Path) -> None:
    assert material.imagining is not None
    episode = dataclasses.replace(
        material.episodes[0], path=None, imagined=(), decision_steps=(), goal_xy=None, goal=None, energies={}
    )
    blind = dataclasses.replace(
        material, heat_maps=(), landscapes=(), probes={}, episodes=(episode,),
        futures=(FuturePictures(material.futures[0].real, material.futures[0].decoded),),
        imagining=dataclasses.replace(material.imagining, candidates=None, energies=None, start=None, goal_xy=None, goal=None),
    )  # fmt: skip
    page = Page(write_report(blind, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "imagines" in page.ids
    assert "predicted path of one candidate plan" not in page.text


def test_a_run_rebuilds_its_page_to_the_byte(material: ReportMaterial, tmp_path: Path, text: str) -> None:
    save_material(tmp_path / MATERIAL, material)
    path = rebuild_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == text
    with pytest.raises(ForethoughtError, match="no report data"):
        rebuild_report(tmp_path / "elsewhere")


def test_a_monitor_outside_its_range_is_marked(material: ReportMaterial, tmp_path: Path) -> None:
    bad = dataclasses.replace(material.monitors[0], values=np.full_like(material.monitors[0].values, 0.01))
    page = write_report(ReportMaterial("t", "w", monitors=(bad,)), tmp_path / "report.html").read_text(encoding="utf-8")
    good = write_report(ReportMaterial("t", "w", monitors=material.monitors[:1]), tmp_path / "report.html").read_text("utf-8")
    assert 'class="last bad"' in page
    assert 'class="last bad"' not in good


def test_it_says_what_each_level_had_in_mind(material: ReportMaterial, text: str, tmp_path: Path) -> None:
    assert "First plan" not in text, "a flat agent has one level"
    assert "Violet" not in text
    episode = material.episodes[0]
    assert episode.path is not None
    x, y = episode.path[0]
    way = np.array([[x + 20, y], [x + 20, y - 20]])
    two = dataclasses.replace(episode, ways=tuple((way,) for _ in episode.decision_steps))
    written = write_report(dataclasses.replace(material, episodes=(two,)), tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(written)
    assert "First plan: level 2: right, then up; level 1:" in page.text
    assert "Violet" in page.text


@pytest.mark.parametrize(("levels", "named"), [(1, ["Violet"]), (2, ["Violet", "teal"]), (3, ["Violet", "teal", "ochre"])])
def test_the_first_picture_names_the_colour_of_each_level(
    material: ReportMaterial, tmp_path: Path, levels: int, named: list[str]
) -> None:
    assert material.imagining is not None
    ways = tuple(np.array([[20.0, 20.0], [30.0 + level, 30.0]]) for level in range(levels))
    alone = ReportMaterial("t", "w", imagining=dataclasses.replace(material.imagining, ways=ways))
    text = Page(write_report(alone, tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert [colour for colour in ("Violet", "teal", "ochre") if colour in text] == named


def test_what_limits_the_rates_stands_below_them(material: ReportMaterial, text: str, tmp_path: Path) -> None:
    note = "Mode-2 (plans): 2 of 40 tasks failed and count as not reached: it <crashed>."
    page = write_report(dataclasses.replace(material, notes=(note,)), tmp_path / "noted.html").read_text()
    shown = "2 of 40 tasks failed and count as not reached: it &lt;crashed&gt;."
    assert page.index('id="success"') < page.index(shown) < page.index("</figcaption>", page.index(shown))
    assert "tasks failed" not in text


def test_the_clone_stands_beside_the_agent_with_its_return(material: ReportMaterial, text: str, tmp_path: Path) -> None:
    assert 'class="bar baseline"' in text
    assert "behaviour cloning" in Page(text).text
    assert "150 to 173" in Page(text).text
    assert "never learned from rewards" in text
    agent_only = dataclasses.replace(material, scores=tuple(score for score in material.scores if score.kind != "baseline"))
    agent_only = dataclasses.replace(
        agent_only, scores=tuple(dataclasses.replace(score, episodes=None) for score in agent_only.scores)
    )
    without = write_report(agent_only, tmp_path / "page.html").read_text()
    assert "behaviour cloning" not in without
    assert "never learned from rewards" not in without
