"""What a page draws and says of a fixed run is what it was: every chart, every picture, the words."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from forethought.evaluation.baselines import EpisodeReturn
from forethought.report import charts, labels, life_charts
from forethought.report.drawing import Canvas, enlargement
from forethought.report.life_page import write_life_page
from forethought.report.readme_figure import draw_imagining, write_hero
from forethought.report.report_data import ReportMaterial
from forethought.report.strips import picture_strip
from golden_values import check_golden, summary
from life_fixtures import make_life, progress_of, walk_spec
from page_parser import Page

PLACES = ("d", "x", "y", "width", "height", "transform", "points", "viewBox")
NUMBER = re.compile(r"-?\d+\.?\d*")


def drawn(svg: Markup) -> list[Any]:
    """Each element of a chart: its tag, its words and colours, and a summary of the numbers that place it."""
    elements: list[Any] = []
    for element in ET.fromstring(svg.replace("xlink:", "")).iter():
        places = " ".join(element.get(name, "") for name in PLACES)
        numbers = np.array([float(found) for found in NUMBER.findall(places)])
        words = (element.text or "").strip()[:80] if element.tag != "style" else ""
        found = summary(numbers)
        if words or len(numbers):
            elements.append([element.tag, words, element.get("style", ""), len(numbers), found["mean"], found["projected"]])
    return elements


def picture(values: np.ndarray) -> list[Any]:
    """Mean colour of each of 8 x 8 fields."""
    rows, columns = (np.array_split(np.arange(size), 8) for size in values.shape[:2])
    return [[values[np.ix_(r, c)].mean((0, 1)).round(1).tolist() for c in columns] for r in rows]


def test_the_charts_of_a_run(material: ReportMaterial) -> None:
    m = material
    shown = {
        **{f"heat {heat.name}": charts.energy_of_places(heat) for heat in m.heat_maps},
        "landscape": charts.energy_of_outcomes(m.landscapes[0], "0"),
        **{f"error {error.unit}": charts.error_by_horizon(error) for error in m.error_by_horizon},
        **{f"monitor {curve.name}": charts.monitor(curve) for curve in m.monitors},
        "losses": charts.together(m.curves[:3], "world model"),
        "linear": charts.together(m.curves[3:], "critic", logarithmic=False),
        "felt": charts.felt({"critic": m.episodes[0].energies["critic"], "pain": np.arange(12.0) % 3}, "0"),
        "cloud": charts.cloud(np.random.default_rng(0).normal(size=(40, 2)), ["#102030"] * 20 + ["#a0b0c0"] * 20, "0"),
        "spectrum": charts.spectrum(np.geomspace(1, 1e-6, 16), 5.5, "0"),
    }
    check_golden("run_charts", {name: drawn(svg) for name, svg in shown.items()}, absolute=0.05)


def test_the_charts_of_a_life() -> None:
    steps = np.arange(0.0, 1000, 20)
    values = 50 + 40 * np.tanh(steps / 300) + 5 * np.sin(steps)
    returns, evaluations = np.stack([steps, values], 1), np.array([[400, 60.0, 50.0, 70.0], [800, 85.0, 80.0, 90.0]])
    floor = EpisodeReturn(20.0, 15.0, 25.0, 20.0, 20)
    shown = {
        "learning": life_charts.learning_curve(returns, evaluations, 1500, 5, floor),
        "learning begins": life_charts.learning_curve(returns[:3], evaluations[:0], 1500, 5, None),
        "energy": life_charts.energy_over_time(steps, values, "pain"),
        "reading": life_charts.reading_over_time(steps, values, "reward"),
        "reading that is negative": life_charts.reading_over_time(steps, values - 90, "policy"),
        "beside": life_charts.beside(values, (0, 10, 20), [values[at : at + 8] + 3 for at in (0, 10, 20)], "place"),
        "beside shares": life_charts.beside(steps / 1000, (0, 30), [steps[:5] / 900, steps[30:40] / 900], "end", share=True),
    }
    found: dict[str, Any] = {name: drawn(svg) for name, svg in shown.items()}
    check_golden("life_charts", found | {"running": life_charts.running(values)}, absolute=0.05)


def test_the_pictures(material: ReportMaterial, tmp_path: Path) -> None:
    imagining, episode = material.imagining, material.episodes[0]
    assert imagining is not None
    ways = (np.array([[30.0, 30.0], [50.0, 20.0]]), np.array([[50.0, 20.0], [52.0, 50.0]]))
    drawing = Canvas(episode.frames[0], enlargement(episode.frames[0], 256), dim=0.3)
    drawing.goal((52.0, 50.0))
    drawing.seen(episode.path)
    drawing.imagined(episode.imagined[0])
    drawing.ring(20.0, 20.0, "#102030", 4.0)
    drawing.dot(40.0, 12.0, "#a01030", 3.0)
    drawing.way(np.array([8.0, 8.0]), ways[0], 1)
    hero = write_hero(material, tmp_path / "hero.png")
    from PIL import Image

    shown = {
        "imagining": draw_imagining(imagining),
        "with ways": draw_imagining(dataclasses.replace(imagining, ways=ways)),
        "drawing": drawing.finish(),
        "hero": np.asarray(Image.open(hero).convert("RGB")),
    }
    found = {name: {"size": values.shape, "colours": picture(values)} for name, values in shown.items()}
    check_golden("pictures", found, absolute=1.5)


def words(page: Path) -> list[str]:
    """The lines of a page without its style sheet and without what is said of the machine."""
    text = Page(re.sub(r"<style>.*?</style>", "", page.read_text(), flags=re.DOTALL)).text.replace(str(page.parent), "RUN")
    return [line.strip() for line in text.splitlines() if line.strip() and not re.search(r"cores|Python|torch|gymnasium", line)]


def test_the_words(page_path: Path, material: ReportMaterial, tmp_path: Path) -> None:
    life = tmp_path / "life"
    make_life(life, walk_spec(drives=("pain",)), progress_of(evaluations=[(400, 30.0, 25.0, 35.0), (600, 70.0, 60.0, 80.0)]))
    numbers = [0, 1, 0.5, 0.0001234, -3.14159, 1234567, 99.95, 1e9, float("nan"), None]
    found = {
        "run": words(page_path), "life": words(write_life_page(life)),
        "numbers": [labels.number(value) for value in numbers], "times": [labels.times(r) for r in (0.01, 0.5, 1, 2.34, 56.7)],
        "percents": [labels.percent(share) for share in (0, 0.001, 0.0567, 0.5, 0.999, 1)],
        "strip": [(cell["step"], cell["energy"]) for cell in picture_strip(material.futures[0], 3, 5)["cells"]],
        "durations": [labels.duration(seconds) for seconds in (0.2, 5, 59.9, 60, 61, 3599, 3600, 7322, 90000)],
    }  # fmt: skip
    check_golden("page_words", found)
