"""Charts as inline SVG. They inherit font and ink colour from the page, for its light and its dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from forethought.report.labels import curve_words
from forethought.report.palette import BAD, ENERGY, GOAL, IMAGINED, QUIET, SEEN, SERIES
from forethought.report.report_data import Curve, HeatMap, HorizonError, LandscapePicture, RealArray

LONGEST_NAME = 32
FEW_POINTS = 3

# Placeholder colours, replaced by the page's CSS variables in the finished SVG.
_INK, _GRID = "#010203", "#040506"
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "text.parse_math": False, "font.family": "DejaVu Sans", "font.size": 11.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": _GRID, "axes.labelcolor": _INK,
    "axes.grid": True, "grid.color": _GRID, "grid.linewidth": 0.8, "axes.axisbelow": True, "axes.unicode_minus": True,
    "xtick.color": _GRID, "ytick.color": _GRID, "xtick.labelcolor": _INK, "ytick.labelcolor": _INK, "text.color": _INK,
    "xtick.major.size": 0, "ytick.major.size": 0, "lines.linewidth": 2.2, "lines.solid_capstyle": "round",
    "legend.frameon": False, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.transparent": True,
}  # fmt: skip


def energy_of_places(heat: HeatMap) -> Markup:
    """Cost map over the room with contour lines, the goal and a colour bar."""

    def draw(axes: Axes) -> None:
        _over_picture(axes, heat, Normalize(), 8, "cost (discounted blocks)" if heat.name == "critic" else "cost")
        axes.plot(*heat.goal_xy, "o", ms=13, mfc="none", mec="#ffffff", mew=4)
        axes.plot(*heat.goal_xy, "o", ms=13, mfc="none", mec=GOAL, mew=2.2)
        axes.plot(*heat.goal_xy, "o", ms=4, mfc=GOAL, mec="none")

    return render_svg(draw, (4.5, 3.75), f"heat-{heat.name}")


def energy_of_outcomes(landscape: LandscapePicture, key: str) -> Markup:
    """Energy landscape of one transition; a dot marks the agent before the action, a ring the agent after it."""

    def draw(axes: Axes) -> None:
        # A square-root scale for colours and contours: differences between low energies matter, those between high ones do not.
        low, high = np.nanmin(landscape.grid), np.nanmax(landscape.grid)
        lines = low + (high - low) * np.linspace(0, 1, 10)[1:-1] ** 2
        _over_picture(axes, landscape, PowerNorm(0.5), lines, "energy")
        axes.plot(*landscape.start, "o", ms=8, mfc=QUIET, mec="#ffffff", mew=1.4)
        axes.plot(*landscape.outcome, "o", ms=13, mfc="none", mec="#ffffff", mew=4)
        axes.plot(*landscape.outcome, "o", ms=13, mfc="none", mec=SEEN, mew=2.2)

    return render_svg(draw, (4.5, 3.75), f"landscape-{key}")


def _over_picture(axes: Axes, heat: HeatMap | LandscapePicture, colours: Normalize, lines: int | RealArray, label: str) -> None:
    """A grid of values over its background picture, with contour lines (their number or their values) and a colour bar."""
    left, right, top, bottom = heat.extent
    height, width = heat.background.shape[:2]
    axes.imshow(heat.background, extent=(0, width, height, 0), interpolation="nearest")
    image = axes.imshow(
        heat.grid, extent=(left, right, bottom, top), cmap=ENERGY, norm=colours, alpha=0.88, interpolation="nearest"
    )
    rows, columns = heat.grid.shape
    xs = left + (np.arange(columns) + 0.5) * (right - left) / columns
    ys = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
    if np.nanmax(heat.grid) > np.nanmin(heat.grid):
        axes.contour(xs, ys, np.ma.masked_invalid(heat.grid), levels=lines, colors="#ffffff", linewidths=0.7, alpha=0.75)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    figure = axes.figure
    assert isinstance(figure, Figure)
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.03, ticks=MaxNLocator(5))
    bar.outline.set_visible(False)
    bar.ax.set_ylabel(label)


def error_by_horizon(error: HorizonError) -> Markup:
    """Open-loop error of the world model and of the copy-last baseline."""

    def draw(axes: Axes) -> None:
        if error.low is not None and error.high is not None:
            axes.fill_between(error.horizon, error.low, error.high, color=IMAGINED, alpha=0.2, lw=0)
        axes.plot(error.horizon, error.copy_last, "--", color=QUIET, label="copy last state")
        axes.plot(error.horizon, error.model, "o-", color=IMAGINED, ms=5, label="world model")
        axes.set(xlabel="blocks ahead", ylabel=_short(error.unit))
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper left")

    return render_svg(draw, (4.6, 3.1), f"horizon-{error.unit}")


def monitor(curve: Curve) -> Markup:
    """One monitor over training; the healthy range is shaded and the last value is marked."""

    def draw(axes: Axes) -> None:
        finite = curve.values[np.isfinite(curve.values)]
        values = [*finite.tolist(), *(edge for edge in (0.0, curve.low) if edge is not None)]
        low, high = min(values), max(values)
        low, high = low - 0.06 * (high - low) * (low < 0), high + 0.1 * ((high - low) or 1.0)
        axes.set_ylim(low, high)
        for edge in (curve.low, curve.high):
            if edge is not None and low <= edge <= high:
                axes.axhline(edge, color=BAD, lw=1.2, ls="--")
        if curve.low is not None or curve.high is not None:
            bottom, top = curve.low if curve.low is not None else low, curve.high if curve.high is not None else high
            axes.axhspan(bottom, min(top, high), color=GOAL, alpha=0.10, lw=0)
        axes.plot(curve.steps, curve.values, color=SEEN)
        if len(finite):
            axes.plot(curve.steps[np.isfinite(curve.values)][-1], finite[-1], "o", color=SEEN, ms=6)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel("training step")

    return render_svg(draw, (3.4, 2.3), f"monitor-{curve.name}")


def together(curves: Sequence[Curve], key: str, logarithmic: bool = True) -> Markup:
    """Several curves in one chart; `logarithmic` allows a log scale if all values are positive and span a factor over 10."""

    def draw(axes: Axes) -> None:
        for index, curve in enumerate(curves):
            axes.plot(
                curve.steps,
                curve.values,
                _mark(curve),
                color=SERIES[index % len(SERIES)],
                lw=1.8,
                label=_short(curve_words(curve.name)[0]),
            )
        values = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in curves])
        if logarithmic and len(values) and values.min() > 0 and values.max() > 10 * values.min():
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            plain_numbers(axes)
            axes.minorticks_off()
        axes.set_xlabel("training step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if len(curves) > 1:
            axes.legend(
                loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=10, columnspacing=1.2, handlelength=1.4
            )

    return render_svg(draw, (5.0, 3.1 + 0.25 * ((len(curves) + 1) // 2 if len(curves) > 1 else 0)), f"together-{key}")


def felt(energies: Mapping[str, RealArray], key: str) -> Markup:
    """Costs along an episode at the frames with a finite value."""

    def draw(axes: Axes) -> None:
        for index, (name, values) in enumerate(energies.items()):
            finite = np.isfinite(values)
            axes.plot(
                np.arange(len(values))[finite], values[finite], ".-", color=SERIES[index % len(SERIES)], label=_short(name)
            )
        axes.set(xlabel="step", ylabel="cost")
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if len(energies) > 1:
            axes.legend(loc="best", fontsize=10)

    return render_svg(draw, (3.9, 1.9), f"felt-{key}")


def cloud(points: RealArray, colours: Sequence[str], key: str, least: float = 1.0) -> Markup:
    """Scatter plot of states in their first two principal components, with equal axes.

    Args:
        points: [N, 2]. colours: colour of each point. key: makes the ids of the SVG unique. least: minimum half-width of the
            axes, so that collapsed states look collapsed.
    """

    def draw(axes: Axes) -> None:
        limit = 1.08 * max(least, float(np.abs(points).max()))
        axes.scatter(points[:, 0], points[:, 1], c=list(colours), s=9, lw=0)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_locator(MaxNLocator(3))

    return render_svg(draw, (2.9, 2.9), f"cloud-{key}")


def spectrum(values: RealArray, rank: float, key: str, smallest: float = 1e-5) -> Markup:
    """Singular values of the states relative to the largest, on a log scale; the dashed line is the effective rank."""

    def draw(axes: Axes) -> None:
        axes.axvline(rank, color=QUIET, ls="--", lw=1.4)
        axes.plot(np.arange(1, len(values) + 1), np.maximum(values, smallest), color=SEEN)
        axes.set_yscale("log")
        axes.set(ylim=(smallest / 2, 2), xlim=(0, len(values) + 1), xlabel="dimension")
        axes.yaxis.set_major_locator(LogLocator(numticks=4))
        plain_numbers(axes)
        axes.minorticks_off()
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))

    return render_svg(draw, (2.9, 2.9), f"spectrum-{key}")


def _mark(curve: Curve) -> str:
    """Plot format: a line, with markers if the curve has few points."""
    return "o-" if len(curve.values) < FEW_POINTS else "-"


def _short(name: str) -> str:
    """The name, truncated to `LONGEST_NAME` characters."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def plain_numbers(axes: Axes) -> None:
    """Label the vertical axis by plain numbers: a log scale has powers in TeX, which an SVG shows as they are written."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def render_svg(draw: Any, size: tuple[float, float], key: str) -> Markup:
    """Draw on new axes and return clean SVG: no XML header, no fixed size, unique ids, the page's ink colours."""
    style: Any = {**_STYLE, "svg.hashsalt": key}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(
        r'<svg [^>]*viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true" focusable="false">', text, count=1
    )
    used = set(re.findall(r"#(\w+)", text))
    text = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", text)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    text = re.sub(r" ?font-family: [^;\"]*;?", "", text)
    text = text.replace(_INK, "var(--ink-soft)").replace(_GRID, "var(--line)")
    return Markup(text)  # noqa: S704 - matplotlib escapes the text it draws; a test checks that
