from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forethought.errors import ForethoughtError
from forethought.report.palette import IMAGINED, LEVELS, rgb
from forethought.report.readme_figure import draw_imagining, write_hero
from forethought.report.report_data import ReportMaterial


def orange(picture: np.ndarray) -> int:
    return int((np.abs(picture.astype(int) - rgb(IMAGINED)).sum(-1) < 12).sum())


def test_the_chosen_plan_stands_out(material: ReportMaterial) -> None:
    imagining = material.imagining
    assert imagining is not None
    drawn = draw_imagining(imagining)
    assert drawn.shape == (640, 640, 3)
    assert orange(drawn) > 3000
    other = draw_imagining(dataclasses.replace(imagining, chosen=0))
    assert not np.array_equal(drawn, other)


def test_the_ways_of_the_levels_above_are_drawn_in_their_colours(material: ReportMaterial) -> None:
    assert material.imagining is not None
    ways = (np.array([[30.0, 30.0], [50.0, 20.0]]), np.array([[50.0, 20.0], [52.0, 50.0]]))
    plain = draw_imagining(material.imagining)
    drawn = draw_imagining(dataclasses.replace(material.imagining, ways=ways))
    for colour in LEVELS[:2]:
        near = [(np.abs(picture.astype(int) - rgb(colour)).sum(-1) < 30).sum() for picture in (plain, drawn)]
        assert near[0] < 50 < 150 < near[1]


def test_without_a_probe_it_is_the_frame(material: ReportMaterial) -> None:
    assert material.imagining is not None
    bare = dataclasses.replace(material.imagining, candidates=None, energies=None, start=None, goal_xy=None)
    np.testing.assert_array_equal(draw_imagining(bare, 128), bare.frame.repeat(2, 0).repeat(2, 1))


def test_the_picture_for_the_readme(material: ReportMaterial, tmp_path: Path) -> None:
    path = write_hero(material, tmp_path / "images" / "hero.png")
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape == (600, 1600, 3)
    assert orange(picture[:, 600:]) > 1000
    again = write_hero(material, tmp_path / "again.png")
    assert path.read_bytes() == again.read_bytes()


def test_the_picture_needs_its_parts(material: ReportMaterial, tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="imagining"):
        write_hero(dataclasses.replace(material, futures=()), tmp_path / "hero.png")
