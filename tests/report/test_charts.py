from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest
from markupsafe import Markup

from forethought.report import charts
from forethought.report.report_data import Curve, HorizonError, ReportMaterial

HOSTILE = "<script>x</script>$\\frac{$"


def every_chart(m: ReportMaterial) -> list[Markup]:
    return [
        charts.energy_of_places(m.heat_maps[0]), charts.energy_of_outcomes(m.landscapes[0], "0"),
        charts.error_by_horizon(m.error_by_horizon[1]), charts.monitor(m.monitors[0]),
        charts.together(m.curves[:3], "world model"), charts.felt(m.episodes[0].energies, "0"),
    ]  # fmt: skip


def parsed(svg: Markup) -> ET.Element:
    return ET.fromstring(svg.replace("xlink:", ""))


def test_charts_are_clean_svg_in_the_pages_own_ink(material: ReportMaterial) -> None:
    for svg in every_chart(material):
        parsed(svg)
        assert "http" not in svg
        assert "var(--ink-soft)" in svg
        assert "viewBox" in svg
        assert "#010203" not in svg
        assert "DejaVu" not in svg


def test_ids_differ_between_charts(material: ReportMaterial) -> None:
    ids = [found for svg in every_chart(material) for found in re.findall(r'\bid="([^"]+)"', svg)]
    assert ids
    assert len(ids) == len(set(ids))


def test_the_same_material_draws_the_same_chart(material: ReportMaterial) -> None:
    assert every_chart(material) == every_chart(material)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: charts.together(
            [Curve(HOSTILE, np.arange(3), np.ones(3), "p"), Curve("b", np.arange(3), np.ones(3), "p")], HOSTILE
        ),
        lambda: charts.felt({HOSTILE: np.ones(4), "b": np.ones(4)}, HOSTILE),
        lambda: charts.error_by_horizon(HorizonError(np.arange(1, 3), np.ones(2), np.ones(2), HOSTILE)),
    ],
)
def test_hostile_names_are_text(draw: Callable[[], Markup]) -> None:
    svg = draw()
    assert "<script" not in svg
    assert HOSTILE in "".join(parsed(svg).itertext())


def test_gaps_constant_and_empty_curves_draw(material: ReportMaterial) -> None:
    steps = np.arange(5.0)
    for values in (np.array([1, np.nan, 2, 3, np.nan]), np.full(5, 2.0), np.zeros(5), np.full(5, np.nan)):
        charts.monitor(Curve("rankme", steps, values, "p", low=1.0, high=9.0))
        charts.together([Curve("a", steps, values, "p")], "p")
    charts.monitor(Curve("rankme", steps[:1], np.array([3.0]), "p"))
    flat = dataclasses.replace(material.heat_maps[0], grid=np.full((4, 4), 2.0))
    charts.energy_of_places(flat)
    charts.energy_of_outcomes(dataclasses.replace(material.landscapes[0], grid=np.full((4, 4), 2.0)), "flat")


def test_a_wide_range_is_logarithmic_with_plain_figures() -> None:
    svg = charts.together([Curve("a", np.arange(4.0), np.array([100.0, 10.0, 1.0, 0.5]), "p")], "p")
    texts = ["".join(t.itertext()).strip() for t in parsed(svg).iter("text")]
    assert {"1", "10", "100"} <= set(texts)
    assert "math" not in svg


def test_the_heat_map_puts_the_goal_where_it_is(material: ReportMaterial) -> None:
    heat = material.heat_maps[1]
    lowest = np.unravel_index(np.nanargmin(heat.grid), heat.grid.shape)
    x = heat.extent[0] + (lowest[1] + 0.5) * (heat.extent[1] - heat.extent[0]) / heat.grid.shape[1]
    y = heat.extent[2] + (lowest[0] + 0.5) * (heat.extent[3] - heat.extent[2]) / heat.grid.shape[0]
    np.testing.assert_allclose([x, y], heat.goal_xy, atol=2.5)
    elements = list(parsed(charts.energy_of_places(heat)).iter("use"))
    places = [(float(e.get("x", "nan")), float(e.get("y", "nan"))) for e in elements if "#1f9d6b" in (e.get("style") or "")]
    image = next(parsed(charts.energy_of_places(heat)).iter("image"))
    assert places
    assert image is not None


def test_the_landscape_marks_where_the_agent_really_got(material: ReportMaterial) -> None:
    elements = list(parsed(charts.energy_of_outcomes(material.landscapes[0], "0")).iter("use"))
    rings = [e for e in elements if "#3b7dd8" in (e.get("style") or "")]
    dots = [e for e in elements if "#8a94a6" in (e.get("style") or "")]
    assert len(rings) == len(dots) == 1
    places = [(float(e.get("x", "nan")), float(e.get("y", "nan"))) for e in (*rings, *dots)]
    assert places[0][0] == pytest.approx(places[1][0], abs=0.1)
    assert places[0][1] < places[1][1], "above it, as in the picture"
