from __future__ import annotations

import numpy as np
import pytest

from forethought.report import labels


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (-0.269, "−0.269"), (0.91549, "0.915"), (4000, "4\u202f000"), (31.7, "31.7"),
     (12345.6, "12\u202f346"), ("cem", "cem"), (0, "0"),
     (float("nan"), "undefined"), (True, "True")],
)  # fmt: skip
def test_numbers(value: float | int | str | None, text: str) -> None:
    assert labels.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.957, "96 %"), (1.0, "100 %"), (0.999, "99.9 %"), (0.0, "0 %"), (0.002, "0.2 %"), (0.005, "0.5 %")]
)
def test_a_percentage_never_rounds_to_all_or_nothing(share: float, text: str) -> None:
    assert labels.percent(share).replace("\u00a0", " ") == text


def test_ratios() -> None:
    assert [labels.times(r) for r in (2.54, 77.3, 1234.0)] == ["2.5", "77", "1\u202f234"]


@pytest.mark.parametrize(
    ("points", "text"),
    [
        ([[0, 0], [5, 0], [9, 1], [9, 8]], "right, then down"),
        ([[9, 9], [9, 2], [8.5, 2], [3, 2]], "up, then left"),
        ([[4, 4], [4.2, 4]], "stay"),
    ],
)
def test_a_way_is_told_by_its_turns(points: list[list[float]], text: str) -> None:
    assert labels.heading(np.array(points)) == text


@pytest.mark.parametrize(
    ("points", "text"),
    [
        ([[10, 40], [40, 40], [40, 20]], "through the right door, then through the upper door"),
        ([[40, 20], [40, 28], [30, 28], [30, 40]], "down, then through the left door, then through the lower door"),
        ([[28, 9], [30.5, 9], [31.6, 9], [32.3, 9], [34, 9]], "right, then through the right door, then right"),
        ([[20, 30], [44, 42]], "through the lower door, then through the right door"),
        ([[10, 10], [20, 10]], "right"),
    ],
)
def test_walls_are_passed_by_doors(points: list[list[float]], text: str) -> None:
    """However short the step that passes one, and in the order in which they come."""
    assert labels.heading(np.array(points), [(0, 32.0), (1, 32.0)]) == text


def test_durations() -> None:
    assert [labels.duration(s) for s in (48, 312.4, 3779)] == ["48 s", "5 min 12 s", "1 h 2 min"]


def test_unknown_names_are_shown_plainly() -> None:
    assert labels.metric_words("my_own_figure")[0] == "My own figure"
    assert labels.curve_words("probe_position_0_r2")[0] == "Probe position 0 R²"
    assert labels.curve_words("rankme")[1] != ""


def test_a_path_that_ends_in_a_door_goes_through_it() -> None:
    """And one that begins there has it behind."""
    walls, places = [(0, 20.0)], ([5.0, 9.0], [20.0, 9.0], [35.0, 9.0])
    before, door, behind = (np.array(place) for place in places)
    crossing = labels.heading(np.stack([before, behind]), walls)
    assert "door" in crossing
    assert labels.heading(np.stack([before, door]), walls) == crossing
    assert labels.heading(np.stack([door, behind]), walls) == "right"
