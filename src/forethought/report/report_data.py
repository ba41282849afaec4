"""Everything that the page shows, as plain data: whoever ran the agent fills it in, the page only draws it.

Every part may be left out; its section then vanishes. Pictures are uint8 [height, width, 3]. Points are in *picture
coordinates*: (x, y) in source pixels, x to the right, y down, (0, 0) the top left corner of the picture, so that the
centre of the first pixel is (0.5, 0.5). Numbers must be finite unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forethought.config import Configuration

Picture = NDArray[np.uint8]
ContinuousLatent = NDArray[Any]  # of any real type
Metric = float | int | str | None


@dataclass(frozen=True)
class ModeScore:
    """One bar of the success chart, and one line of the latency table.

    Fields:
        name: as people read it: `Mode-2 (plans)`, `Mode-1 (reacts)`, `random`, `expert`.
        kind: `agent`, `floor` (random actions) or `ceiling` (an expert who sees the true state).
        rate, low, high: share of tasks solved and its 95 % interval, each in [0, 1].
        tasks: how many tasks (x seeds) it was measured on.
        ms_median, ms_p95: milliseconds a decision; None where it makes no sense (random, expert).
        model_calls: predictor calls a decision; None likewise.
    """

    name: str
    kind: Literal["agent", "floor", "ceiling"]
    rate: float
    low: float
    high: float
    tasks: int
    ms_median: float | None = None
    ms_p95: float | None = None
    model_calls: float | None = None


@dataclass(frozen=True)
class Imagining:
    """One decision, looked at closely: the futures that the planner compared. It makes the picture at the top.

    Fields:
        frame: what the agent saw. goal: what it was asked to reach, or None.
        candidates: [K, H, 2] imagined paths in picture coordinates (read from imagined states by the position probe);
            10 to 60 of them look best: a few of the cheapest and a spread of the rest. None where there is no probe.
        energies: [K], energy of each candidate, lower is better. chosen: index of the plan that was taken.
        start, goal_xy: true points in picture coordinates, or None.
        ways: the [P, 2] way of each level above, level 2 first; empty for a flat agent.
    """

    frame: Picture
    goal: Picture | None
    candidates: ContinuousLatent | None
    energies: ContinuousLatent | None
    chosen: int
    start: tuple[float, float] | None = None
    goal_xy: tuple[float, float] | None = None
    ways: tuple[ContinuousLatent, ...] = ()


@dataclass(frozen=True)
class FuturePictures:
    """What happened beside what was foreseen for the same actions, open loop: only the first state was ever seen.

    Fields:
        real: uint8 [H + 1, h, w, 3], the true frames, the present one first, one action block apart.
        decoded: uint8 [H + 1, h, w, 3], what the readout draws from the (imagined) states, the present one first.
        energies: [H], energy of each imagined step towards the goal, or None.
        goal: the picture of the goal that these actions were taken for, or None; drawn in the picture for the README only.
        note: a few words for the caption (`held-out episode 12`), may be empty.
    """

    real: Picture
    decoded: Picture
    energies: ContinuousLatent | None = None
    goal: Picture | None = None
    note: str = ""


@dataclass(frozen=True)
class Fan:
    """Different futures of one moment and one plan, where the world may go several ways.

    Fields:
        present: uint8 [h, w, 3], what the agent saw. decoded: uint8 [S, H, h, w, 3], what the readout draws of each future, a
        block apart, the likeliest future first. odds: [S], how likely each is. note: a few words for the caption.
    """

    present: Picture
    decoded: Picture
    odds: ContinuousLatent
    note: str = ""


@dataclass(frozen=True)
class RecordedEpisode:
    """One real episode, for the video.

    Fields:
        frames: uint8 [T, h, w, 3], best one per environment step.
        goal: uint8 [h, w, 3], or None.
        path: float [T, 2], true position per frame in picture coordinates, or None.
        imagined: one [H, 2] imagined path per decision, in picture coordinates (by the position probe; H is 0 in Mode-1, which
            imagines nothing); empty if none.
        ways: per decision, the [P, 2] way of each level above, level 2 first; empty for a flat agent.
        decision_steps: index into `frames` at which each of them was decided, ascending; same length as `imagined`.
        succeeded: did it reach the goal.
        mode: `plan`, `react` or `auto`, as people type it.
        energies: name -> [T], the energies that the agent felt per frame; NaN where it did not look. May be empty.
        goal_xy: the goal's true point in picture coordinates, or None.
        note: a few words for the caption, may be empty.
        walls: axis (0: x) and place on it, in picture coordinates, of walls that one passes by doors alone; may be empty.
    """

    frames: Picture
    goal: Picture | None
    path: ContinuousLatent | None
    imagined: tuple[ContinuousLatent, ...]
    decision_steps: tuple[int, ...]
    succeeded: bool
    mode: str
    energies: Mapping[str, ContinuousLatent] = field(default_factory=dict)
    goal_xy: tuple[float, float] | None = None
    note: str = ""
    ways: tuple[tuple[ContinuousLatent, ...], ...] = ()
    walls: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class HeatMap:
    """The energy of being at each place, as seen from one goal.

    Fields:
        name: `critic`, `latent distance`, ...
        grid: [G, G] energies, `grid[i, j]` at the i-th y (downwards) and j-th x; NaN where the agent cannot be (walls).
        background: uint8 [h, w, 3], the empty room.
        goal_xy: the goal in picture coordinates.
        extent: (left, right, top, bottom) in picture coordinates: the outer edges of the grid's cells.
        rank_correlation: Spearman correlation of the energy with the true path length over the grid, or None.
    """

    name: str
    grid: ContinuousLatent
    background: Picture
    goal_xy: tuple[float, float]
    extent: tuple[float, float, float, float]
    rank_correlation: float | None = None


@dataclass(frozen=True)
class LandscapePicture:
    """The energy F(x, y) of one moment and action, by where the outcome y has the agent.

    Fields:
        grid: [G, G] energies, `grid[i, j]` at the i-th y (downwards) and j-th x; NaN where the agent cannot be (walls).
        background: uint8 [h, w, 3], what was seen before. extent: as a `HeatMap`'s.
        start, outcome: (x, y) in picture coordinates, where the agent was and where it really got.
        ways: how many ways the model can tell apart (1: it is deterministic), or None where they can't be counted.
        note: a few words for the caption (`task 0`), may be empty.
    """

    grid: ContinuousLatent
    background: Picture
    extent: tuple[float, float, float, float]
    start: tuple[float, float]
    outcome: tuple[float, float]
    ways: int | None = 1
    note: str = ""


@dataclass(frozen=True)
class HorizonError:
    """Open-loop error on held-out episodes by how far ahead was imagined.

    Fields:
        horizon: [H] blocks ahead, ascending. model: [H] mean error of the world model.
        copy_last: [H] error of saying `nothing changes` (the last seen state copied).
        low, high: [H] 95 % interval of `model`, or None. unit: of the errors (`state distance`, `pixels`).
    """

    horizon: ContinuousLatent
    model: ContinuousLatent
    copy_last: ContinuousLatent
    unit: str
    low: ContinuousLatent | None = None
    high: ContinuousLatent | None = None


@dataclass(frozen=True)
class Curve:
    """One number over the course of training.

    Fields:
        name: as in the training log (`within_episode_std`, `one_step`, ...). steps: [M]. values: [M], NaN is a gap.
        phase: `world model`, `critic`, `mode-1`: curves of one phase stand together.
        low, high: the healthy range, where there is one: the band is drawn and values outside are an alarm's business.
        explanation: one plain sentence; empty: the page knows the usual names.
    """

    name: str
    steps: ContinuousLatent
    values: ContinuousLatent
    phase: str
    low: float | None = None
    high: float | None = None
    explanation: str = ""


@dataclass(frozen=True)
class Alarm:
    """A collapse alarm that was raised: at which step, what was seen, and the likely cause and cure in words."""

    step: int
    message: str
    cause: str = ""


@dataclass(frozen=True)
class Making:
    """How it was made, so that somebody else can make it again.

    Fields: command, as typed; seed; machine (`2 cores, x86_64, no GPU`); versions: package -> version; date: ISO.
    """

    command: str
    seed: int
    machine: str
    versions: Mapping[str, str]
    date: str


@dataclass(frozen=True)
class ReportMaterial:
    """Everything on the page.

    Fields:
        title: of the page (`Rooms`). world: its name. task: in one sentence, what the agent was asked to do.
        metrics: as in `metrics.json`; the headline reads `success_rate`, `success_low`, `success_high`, `random_floor`,
            `expert_ceiling`; None where it does not apply.
        scores: success bars and latencies, the best mode first, the floor and the ceiling last.
        imagining: the picture at the top. futures: strips, the first also stands in the picture at the top.
        fans: moments at which the agent sees several ways that things may go; none where its model is deterministic.
        episodes: a handful, good and bad. heat_maps: of one goal, shown side by side. landscapes: of single moments.
        error_by_horizon: one or two units of the same error.
        monitors: collapse monitors. alarms: those raised. curves: losses. probes: true value -> held-out R2, NaN if undefined
            (of a level above the first after `level N: `).
    """

    title: str
    world: str
    task: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    configuration: Configuration | None = None
    scores: tuple[ModeScore, ...] = ()
    imagining: Imagining | None = None
    futures: tuple[FuturePictures, ...] = ()
    fans: tuple[Fan, ...] = ()
    episodes: tuple[RecordedEpisode, ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    landscapes: tuple[LandscapePicture, ...] = ()
    error_by_horizon: tuple[HorizonError, ...] = ()
    monitors: tuple[Curve, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    curves: tuple[Curve, ...] = ()
    probes: Mapping[str, float] = field(default_factory=dict)
    making: Making | None = None
