"""The picture at the top: the futures that the agent compared, the one it chose, and what then really happened."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from forethought.durable import make_folder, write_bytes
from forethought.errors import ForethoughtError
from forethought.report.drawing import Canvas, enlargement
from forethought.report.material import Imagining, Picture, ReportMaterial
from forethought.report.palette import GOAL, IMAGINED, QUIET, SEEN, rgb

_BACKGROUND, _INK, _SOFT = "#0f141d", "#f2f5fa", "#9aa7bb"
LONGEST = 6


def draw_imagining(imagining: Imagining, size: int = 640) -> Picture:
    """What the agent saw, with the paths it imagined (the cheaper, the warmer) and the plan it chose."""
    canvas = Canvas(imagining.frame, enlargement(imagining.frame, size))
    canvas.goal(imagining.goal_xy)
    if imagining.candidates is not None:
        order = np.arange(len(imagining.candidates)) if imagining.energies is None else np.argsort(-imagining.energies)
        for rank, index in enumerate(order):
            if index != imagining.chosen:
                warmth = (rank + 1) / len(order)
                canvas.line(_from_start(imagining, int(index)), _mix(QUIET, IMAGINED, warmth**2), 0.35, int(90 + 110 * warmth), halo=False)
        canvas.imagined(_from_start(imagining, imagining.chosen))
    if imagining.start is not None:
        canvas.dot(*imagining.start, SEEN, 1.5)
    return canvas.finish()


def write_hero(material: ReportMaterial, path: Path) -> Path:
    """The picture as a PNG of about 1600x760, for a README; on a dark card that suits light and dark pages.

    Raises:
        ForethoughtError: the material holds neither an imagining nor futures.
    """
    if material.imagining is None or not material.futures:
        raise ForethoughtError("the picture of imagined futures needs `imagining` and `futures` in the report's material.")
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "text.parse_math": False}):
        figure = Figure(figsize=(16, 7.6), dpi=100, facecolor=_BACKGROUND)
        FigureCanvasAgg(figure)
        _room(figure.add_axes((0.025, 0.13, 0.38, 0.80)), material.imagining)
        _strips(figure, material)
        _legend(figure)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", facecolor=_BACKGROUND, metadata={"Software": None})
    make_folder(path.parent)
    write_bytes(path, stream.getvalue())
    return path


def _from_start(imagining: Imagining, index: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A candidate's path, begun where the agent stands."""
    assert imagining.candidates is not None
    path = np.asarray(imagining.candidates[index], np.float64)
    return path if imagining.start is None else np.concatenate([[imagining.start], path])


def _mix(a: str, b: str, share: float) -> str:
    """A colour between two."""
    mixed = (round(x + (y - x) * share) for x, y in zip(rgb(a), rgb(b), strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _bare(axes: Axes, picture: Picture, edge: str | None = None) -> None:
    axes.imshow(picture, interpolation="nearest", aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(edge is not None)
    axes.spines[:].set(color=edge or _BACKGROUND, linewidth=2.5)


def _room(axes: Axes, imagining: Imagining) -> None:
    _bare(axes, draw_imagining(imagining, 768))


def _strips(figure: Figure, material: ReportMaterial) -> None:
    """Real frames above, decoded imagined frames below, the goal at the right."""
    futures = material.futures[0]
    count = min(LONGEST, len(futures.real))
    goal = material.imagining.goal if material.imagining else None
    columns = count + (goal is not None)
    left, right, gap = 0.44, 0.985, 0.008
    width = (right - left - gap * (columns - 1)) / columns
    height = width * 16 / 7.6 * futures.real.shape[1] / futures.real.shape[2]
    for row, (pictures, edge, title, bottom) in enumerate((
        (futures.real, SEEN, "What really happened", 0.80 - height),
        (futures.decoded, IMAGINED, "What it imagined, having seen only the first frame", 0.38 - height + 0.02),
    )):  # fmt: skip
        figure.text(left, bottom + height + 0.025, title, color=edge, fontsize=17, fontweight="bold")
        for step in range(count):
            axes = figure.add_axes((left + step * (width + gap), bottom, width, height))
            _bare(axes, pictures[step], edge)
            if row:
                axes.set_xlabel("now" if step == 0 else f"+{step}", color=_SOFT, fontsize=13)
    if goal is not None:
        x = left + count * (width + gap)
        figure.text(x, 0.80 + 0.025, "Goal", color=GOAL, fontsize=17, fontweight="bold")
        _bare(figure.add_axes((x, 0.80 - height, width, height)), goal, GOAL)
    figure.text(left, 0.905, "An agent that looks ahead", color=_INK, fontsize=25, fontweight="bold")


def _legend(figure: Figure) -> None:
    words = (("●", SEEN, "agent"), ("━", IMAGINED, "chosen plan"), ("━", QUIET, "futures it compared"), ("◎", GOAL, "goal"))
    for index, (mark, colour, text) in enumerate(words):
        figure.text(0.03 + 0.092 * index - (0.03 if index == 1 else 0.01 * (index == 2)), 0.055, mark, color=colour, fontsize=16)
        figure.text(0.045 + 0.092 * index - (0.03 if index == 1 else 0.01 * (index == 2)), 0.056, text, color=_SOFT, fontsize=13)
