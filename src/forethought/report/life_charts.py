"""Charts of a life: its learning curve, energies and losses over time, and an episode beside what the model predicts of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from forethought.evaluation.baselines import EpisodeReturn
from forethought.report.charts import plain_numbers, render_svg
from forethought.report.palette import GOAL, IMAGINED, QUIET, SEEN
from forethought.report.report_data import RealArray

MOST_POINTS = 1500
"""Points of a scatter plot; more make the page large and not clearer."""
FEW, MANY = 12, 300
"""Points that are marked on a line; points of a scatter plot that are drawn small."""
LEAST_WINDOW, MOST_WINDOW = 5, 50
BAND = (10.0, 90.0)
"""Percentiles of the band."""


def running(values: RealArray) -> NDArray[np.float64]:
    """Mean and the percentiles `BAND` of the latest episodes up to each: [3, episodes].

    The window is a tenth of all episodes, from `LEAST_WINDOW` to `MOST_WINDOW`; the first episodes have as many as there are.
    """
    window = min(MOST_WINDOW, max(LEAST_WINDOW, len(values) // 10))
    parts = [values[max(0, end - window) : end] for end in range(1, len(values) + 1)]
    return np.array([[part.mean(), *np.percentile(part, BAND)] for part in parts], np.float64).T.reshape(3, -1)


def learning_curve(returns: RealArray, evaluations: RealArray, total: int, random: int, floor: EpisodeReturn | None) -> Markup:
    """Episode returns over environment steps.

    Args:
        returns: [E, 2], steps and return. evaluations: [M, 4], steps, mean, low, high. total: steps of the life.
        random: number of first episodes with random actions. floor: their return.
    """

    def draw(axes: Axes) -> None:
        if floor is not None:
            axes.axhspan(floor.low, floor.high, color=QUIET, alpha=0.18, lw=0)
            axes.axhline(floor.mean, color=QUIET, ls="--", lw=1.4, label="random actions")
        lived = returns[random:]
        steps, values = lived[:, 0], lived[:, 1]
        for part, colour in ((returns[:random], QUIET), (lived, SEEN)):
            shown = part[:: max(1, -(-len(part) // MOST_POINTS))]
            axes.plot(shown[:, 0], shown[:, 1], "o", color=colour, ms=_size(len(returns)), alpha=0.5, mew=0)
        if len(lived) > 1:
            mean, low, high = running(values)
            axes.fill_between(steps, low, high, color=SEEN, alpha=0.16, lw=0)
            axes.plot(steps, mean, color=SEEN, label="episodes, running mean")
        if len(evaluations):
            at, means, lows, highs = evaluations.T
            axes.errorbar(
                at, means, [means - lows, highs - means], fmt="o-", color=GOAL, ms=5, lw=1.6, elinewidth=1.2,
                label="evaluations of Mode-1",
            )  # fmt: skip
        axes.set(xlabel="environment steps", ylabel="return", xlim=(0, 1.02 * max(total, returns[-1, 0])))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(6))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(
                loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3, fontsize=10, columnspacing=1.4, handlelength=1.6
            )

    return render_svg(draw, (8.6, 3.5), "learning-curve")


def energy_over_time(steps: RealArray, values: RealArray, key: str) -> Markup:
    """One energy per episode with its running mean and band."""

    def draw(axes: Axes) -> None:
        shown = slice(None, None, max(1, -(-len(steps) // MOST_POINTS)))
        axes.plot(steps[shown], values[shown], "o", color=SEEN, ms=0.8 * _size(len(steps)), alpha=0.45, mew=0)
        mean, low, high = running(values)
        axes.fill_between(steps, low, high, color=SEEN, alpha=0.16, lw=0)
        axes.plot(steps, mean, color=SEEN)
        _small(axes)

    return render_svg(draw, (3.4, 2.2), f"energy-{key}")


def reading_over_time(steps: RealArray, values: RealArray, key: str) -> Markup:
    """One loss or monitor over the life; NaN is a gap. Losses over a factor of 20 have a log scale."""

    def draw(axes: Axes) -> None:
        finite = values[np.isfinite(values)]
        axes.plot(steps, values, "o-" if len(values) < FEW else "-", color=SEEN, lw=1.8, ms=3.5)
        if len(finite) and finite.min() > 0 and finite.max() > 20 * finite.min():
            axes.set_yscale("log")
            plain_numbers(axes)
            axes.minorticks_off()
        else:
            axes.yaxis.set_major_locator(MaxNLocator(4))
        _small(axes, False)

    return render_svg(draw, (3.4, 2.2), f"reading-{key}")


def _size(points: int) -> float:
    """Size of a dot: many are small."""
    return 4.5 if points < MANY else 2.5


def _small(axes: Axes, linear: bool = True) -> None:
    axes.set_xlabel("environment steps")
    axes.set_xlim(0, 1.03 * axes.dataLim.x1)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if linear:
        axes.yaxis.set_major_locator(MaxNLocator(4))


def beside(happened: RealArray, starts: Sequence[int], predicted: Sequence[RealArray], key: str, share: bool = False) -> Markup:
    """A number along an episode, and what was predicted of it from several moments.

    Args:
        happened: [T]; NaN is a gap. starts: first block of each prediction. predicted: values from that block on.
        key: makes the ids of the SVG unique. share: the number is a probability: the axis is from 0 to 1.
    """

    def draw(axes: Axes) -> None:
        axes.plot(np.arange(len(happened)), happened, color=SEEN, lw=2.0)
        for start, values in zip(starts, predicted, strict=True):
            axes.plot(start + np.arange(len(values)), values, color=IMAGINED, lw=1.5)
            axes.plot([start], values[:1], "o", color=IMAGINED, ms=4)
        # A prediction that runs away must not flatten what happened.
        finite = happened[np.isfinite(happened)]
        if share:
            axes.set_ylim(-0.05, 1.08)
        elif len(finite):
            low, high = float(finite.min()), float(finite.max())
            room = max(high - low, 0.1 * max(abs(low), abs(high)), 1e-3)
            shown = np.concatenate([np.clip(values, low - room, high + room) for values in (finite, *predicted)])
            axes.set_ylim(shown.min() - 0.08 * room, shown.max() + 0.08 * room)
        axes.set_xlabel("block")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))

    return render_svg(draw, (3.9, 2.1), f"beside-{key}")
