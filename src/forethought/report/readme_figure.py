"""README figure: candidate plans, the chosen plan, and recorded beside predicted frames."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from forethought.atomic_io import make_folder, write_bytes
from forethought.errors import ForethoughtError
from forethought.report.drawing import Canvas, enlargement
from forethought.report.palette import GOAL, IMAGINED, LEVELS, QUIET, SEEN, rgb
from forethought.report.report_data import Imagining, Picture, ReportMaterial

_BACKGROUND, _INK, _SOFT = "#0f141d", "#f2f5fa", "#9aa7bb"
_WIDE, _HIGH = 16.0, 6.0
LONGEST = 6


def draw_imagining(imagining: Imagining, size: int = 640) -> Picture:
    """The observation, the candidates' predicted paths (warmer: lower cost), the chosen plan and the upper levels' plans."""
    canvas = Canvas(imagining.frame, enlargement(imagining.frame, size))
    canvas.goal(imagining.goal_xy)
    if imagining.candidates is not None:
        order = np.arange(len(imagining.candidates)) if imagining.energies is None else np.argsort(-imagining.energies)
        for rank, index in enumerate(order):
            if index != imagining.chosen:
                warmth = (rank + 1) / len(order)
                canvas.line(
                    _from_start(imagining, int(index)),
                    _mix(QUIET, IMAGINED, warmth**2),
                    0.35,
                    int(90 + 110 * warmth),
                    halo=False,
                )
        for above, way in reversed(list(enumerate(imagining.ways if imagining.start else ()))):
            canvas.way(np.asarray(imagining.start), way, above)
        canvas.imagined(_from_start(imagining, imagining.chosen))
    if imagining.start is not None:
        canvas.ring(*imagining.start, SEEN, 3.0)
    return canvas.finish()


def write_hero(material: ReportMaterial, path: Path) -> Path:
    """Write the README figure as a PNG of 1600x600; its dark background suits light and dark pages.

    Raises:
        ForethoughtError: the report data lack `imagining` or `futures`.
    """
    if material.imagining is None or not material.futures:
        raise ForethoughtError(
            "the README figure needs `imagining` and `futures` in the report data; use an environment with pixels."
        )
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "text.parse_math": False}):
        figure = Figure(figsize=(_WIDE, _HIGH), dpi=100, facecolor=_BACKGROUND)
        FigureCanvasAgg(figure)
        _bare(_axes(figure, 0.3, 0.3, _HIGH - 0.6, _HIGH - 0.6), draw_imagining(material.imagining, 768))
        _strips(figure, material, _HIGH + 0.25)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", facecolor=_BACKGROUND, metadata={"Software": None})
    make_folder(path.parent)
    write_bytes(path, stream.getvalue())
    return path


def _from_start(imagining: Imagining, index: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A candidate's path, starting at the agent's position."""
    assert imagining.candidates is not None
    path = np.asarray(imagining.candidates[index], np.float64)
    return path if imagining.start is None else np.concatenate([[imagining.start], path])


def _mix(a: str, b: str, share: float) -> str:
    """Linear interpolation of two colours; `share` of `b`, in [0, 1]."""
    mixed = (round(x + (y - x) * share) for x, y in zip(rgb(a), rgb(b), strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _bare(axes: Axes, picture: Picture, edge: str | None = None) -> None:
    axes.imshow(picture, interpolation="nearest", aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(edge is not None)
    axes.spines[:].set(color=edge or _BACKGROUND, linewidth=2.5)


def _axes(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes placed in inches from the lower left corner."""
    return figure.add_axes((x / _WIDE, y / _HIGH, width / _WIDE, height / _HIGH))


def _strips(figure: Figure, material: ReportMaterial, left: float) -> None:
    """Right half: title, recorded frames and the goal, decoded frames below them, legend."""
    futures = material.futures[0]
    goal = futures.goal
    count = min(LONGEST, len(futures.real))
    gap, goal_gap = 0.1, 0.3
    columns = count + (goal is not None)
    width = (_WIDE - 0.3 - left - goal_gap * (goal is not None) - gap * (count - 1)) / columns
    height = width * futures.real.shape[1] / futures.real.shape[2]
    _text(figure, left, _HIGH - 0.72, "Predicted outcomes of its actions", _INK, 25, "bold")
    for pictures, colour, title, bottom in (
        (futures.real, SEEN, "Recorded", _HIGH - 1.6 - height),
        (futures.decoded, IMAGINED, "Predicted from the first frame and the actions", _HIGH - 2.25 - 2 * height),
    ):
        _text(figure, left, bottom + height + 0.14, title, colour, 16, "bold")
        for step in range(count):
            axes = _axes(figure, left + step * (width + gap), bottom, width, height)
            _bare(axes, pictures[step], colour)
            if pictures is futures.decoded:
                axes.set_xlabel("now" if step == 0 else f"+{step}", color=_SOFT, fontsize=13)
    if goal is not None:
        x, bottom = _WIDE - 0.3 - width, _HIGH - 1.6 - height
        _text(figure, x, bottom + height + 0.14, "Goal", GOAL, 16, "bold")
        _bare(_axes(figure, x, bottom, width, height), goal, GOAL)
    assert material.imagining is not None
    _legend(figure, left, len(material.imagining.ways))


def _legend(figure: Figure, left: float, above: int) -> None:
    """Legend of the lines; `above`: number of levels above the first."""
    lines = [(IMAGINED, "chosen plan"), (QUIET, "candidate plans"), (GOAL, "goal")]
    lines[1:1] = [(colour, f"plan of level {number}") for number, colour in enumerate(LEVELS[:above], 2)]
    x = left
    for colour, text in lines:
        _text(figure, x, 0.36, "●" if colour == GOAL else "━━", colour, 14)
        x += 0.25 if colour == GOAL else 0.5
        _text(figure, x, 0.36, text, _SOFT, 14)
        x += 0.11 * len(text) + 0.35


def _text(figure: Figure, x: float, y: float, text: str, colour: str, size: float, weight: str = "normal") -> None:
    figure.text(x / _WIDE, y / _HIGH, text, color=colour, fontsize=size, fontweight=weight)
