"""Content of the report as plain dataclasses: `run_report` fills them in, `page` renders them.

Every part is optional; the page omits the section of a missing part. Pictures are uint8 [height, width, 3]. Points are in
*picture coordinates*: (x, y) in source pixels, x to the right, y down. (0, 0) is the top left corner of the picture, and
(0.5, 0.5) is the centre of the first pixel. Numbers must be finite unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forethought.config import Configuration
from forethought.evaluation.baselines import EpisodeReturn
from forethought.evaluation.diagnosis import Gate

Picture = NDArray[np.uint8]
RealArray = NDArray[Any]  # of any real type
Metric = float | int | str | None


@dataclass(frozen=True)
class ModeScore:
    """One bar of the success chart and one row of the latency table.

    Fields:
        name: displayed name: `Mode-2 (plans)`, `Mode-1 (reacts)`, `cloned`, `random`, `expert`.
        kind: `agent`, `baseline` (behaviour cloning), `floor` (random actions) or `ceiling` (scripted expert that uses the true
            state).
        rate, low, high: success rate and its 95 % interval, each in [0, 1].
        tasks: number of tasks (times seeds).
        ms_median, ms_p95: milliseconds per decision; None for all but the agent.
        model_calls: predictor calls per decision; None for all but the agent.
        episodes: return and length of whole episodes; None if the world gives no rewards.
    """

    name: str
    kind: Literal["agent", "baseline", "floor", "ceiling"]
    rate: float
    low: float
    high: float
    tasks: int
    ms_median: float | None = None
    ms_p95: float | None = None
    model_calls: float | None = None
    episodes: EpisodeReturn | None = None


@dataclass(frozen=True)
class Imagining:
    """One decision with the candidate plans of the planner: the first figure of the page.

    Fields:
        frame: the observation. goal: picture of the goal, or None.
        candidates: [K, H, 2] predicted paths in picture coordinates (read from predicted states by the position probe);
            10 to 60 candidates of low and high cost give a readable figure. None without a probe.
        energies: [K], cost of each candidate, lower is better. chosen: index of the chosen plan.
        start, goal_xy: true points in picture coordinates, or None.
        ways: waypoints [P, 2] of each level above the first, level 2 first; empty for an agent with one level.
    """

    frame: Picture
    goal: Picture | None
    candidates: RealArray | None
    energies: RealArray | None
    chosen: int
    start: tuple[float, float] | None = None
    goal_xy: tuple[float, float] | None = None
    ways: tuple[RealArray, ...] = ()


@dataclass(frozen=True)
class FuturePictures:
    """Recorded frames and open-loop predictions for the same actions; the model sees the first one (and its context).

    Fields:
        real: uint8 [H + 1, h, w, 3], recorded frames, one block (action chunk) apart; the first is the current frame.
        decoded: uint8 [H + 1, h, w, 3], decoded states: the encoded current state, then H predicted states.
        energies: [H], cost of each predicted state for the goal, or None.
        goal: picture of the goal of these actions, or None; only the README figure shows it.
        note: text for the caption (`held-out episode 12`), may be empty.
    """

    real: Picture
    decoded: Picture
    energies: RealArray | None = None
    goal: Picture | None = None
    note: str = ""


@dataclass(frozen=True)
class Fan:
    """Sampled futures of one moment for the same actions, from a stochastic model.

    Fields:
        present: uint8 [h, w, 3], the observation. decoded: uint8 [S, H, h, w, 3], decoded states of each future, one block
        apart, the most probable future first. odds: [S], probability of each future. note: text for the caption.
    """

    present: Picture
    decoded: Picture
    odds: RealArray
    note: str = ""


@dataclass(frozen=True)
class RecordedEpisode:
    """One evaluation episode, for the video.

    Fields:
        frames: uint8 [T, h, w, 3], preferably one per environment step.
        goal: uint8 [h, w, 3], or None.
        path: float [T, 2], true position per frame in picture coordinates, or None.
        imagined: predicted path [H, 2] of each decision in picture coordinates (by the position probe); H is 0 in Mode-1;
            empty without a probe.
        ways: per decision, waypoints [P, 2] of each level above the first, level 2 first; empty for an agent with one level.
        decision_steps: index into `frames` of each decision, ascending; same length as `imagined`.
        succeeded: whether the agent reached the goal.
        mode: `plan`, `react` or `auto`.
        energies: name -> [T], cost of the state at each frame; NaN at frames without a decision. May be empty.
        goal_xy: true point of the goal in picture coordinates, or None.
        note: text for the caption, may be empty.
        walls: (axis, position on the axis) in picture coordinates of walls that can be crossed only by doors; axis 0 is x.
    """

    frames: Picture
    goal: Picture | None
    path: RealArray | None
    imagined: tuple[RealArray, ...]
    decision_steps: tuple[int, ...]
    succeeded: bool
    mode: str
    energies: Mapping[str, RealArray] = field(default_factory=dict)
    goal_xy: tuple[float, float] | None = None
    note: str = ""
    ways: tuple[tuple[RealArray, ...], ...] = ()
    walls: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class HeatMap:
    """Cost of each position for one goal.

    Fields:
        name: name of the cost: `critic`, `latent distance`, ...
        grid: [G, G] costs, `grid[i, j]` at the i-th y (downwards) and j-th x; NaN inside walls.
        background: uint8 [h, w, 3], the room without the agent.
        goal_xy: the goal in picture coordinates.
        extent: (left, right, top, bottom) in picture coordinates: the outer edges of the grid's cells.
        rank_correlation: Spearman correlation of the cost with the true path length over the grid, or None.
    """

    name: str
    grid: RealArray
    background: Picture
    goal_xy: tuple[float, float]
    extent: tuple[float, float, float, float]
    rank_correlation: float | None = None


@dataclass(frozen=True)
class LandscapePicture:
    """The energy F(x, y) of one transition by the position of the agent in the outcome y.

    Fields:
        grid: [G, G] energies, `grid[i, j]` at the i-th y (downwards) and j-th x; NaN inside walls.
        background: uint8 [h, w, 3], the observation before the action. extent: as in `HeatMap`.
        start, outcome: (x, y) in picture coordinates, position of the agent before and after the action.
        ways: number of codes of the latent variable; 1 for a deterministic model, None for a continuous latent variable.
        note: text for the caption (`task 0`), may be empty.
    """

    grid: RealArray
    background: Picture
    extent: tuple[float, float, float, float]
    start: tuple[float, float]
    outcome: tuple[float, float]
    ways: int | None = 1
    note: str = ""


@dataclass(frozen=True)
class HorizonError:
    """Open-loop prediction error on held-out episodes by horizon.

    Fields:
        horizon: [H] blocks ahead, ascending. model: [H] mean error of the world model.
        copy_last: [H] error of the baseline that copies the last observed state.
        low, high: [H] 95 % interval of `model`, or None. unit: unit of the errors (`state distance`, `pixels`).
    """

    horizon: RealArray
    model: RealArray
    copy_last: RealArray
    unit: str
    low: RealArray | None = None
    high: RealArray | None = None


@dataclass(frozen=True)
class Curve:
    """One metric over training.

    Fields:
        name: as in the training log (`within_episode_std`, `one_step`, ...). steps: [M]. values: [M], NaN is a gap.
        phase: `world model`, `critic`, `mode-1`; the curves of a phase share one chart.
        low, high: bounds of the healthy range, or None; the chart shades the range.
        explanation: one sentence for the caption; if empty, the page uses its own text for known names.
    """

    name: str
    steps: RealArray
    values: RealArray
    phase: str
    low: float | None = None
    high: float | None = None
    explanation: str = ""


@dataclass(frozen=True)
class Alarm:
    """A collapse alarm: training step, symptom, and likely cause with a fix."""

    step: int
    message: str
    cause: str = ""


@dataclass(frozen=True)
class LostVariation:
    """Where the state tells less of an image stream than the untrained encoder's (`training.state_floor`).

    Fields:
        stream: its name. missed, untrained: shares in [0, 1] of the lasting variation there that are missed.
        pictures: uint8 [M, h, w, 3], the mean frame, then held-out frames, each tinted where more is missed.
    """

    stream: str
    missed: float
    untrained: float
    pictures: Picture


@dataclass(frozen=True)
class Making:
    """Provenance of the run, for reproduction.

    Fields: command, as typed; seed; machine (`2 cores, x86_64, no GPU`); versions: package -> version; date: ISO 8601.
    """

    command: str
    seed: int
    machine: str
    versions: Mapping[str, str]
    date: str


@dataclass(frozen=True)
class ReportMaterial:
    """All content of the page.

    Fields:
        title: title of the page (`Rooms`). world: name of the environment. task: the agent's task in one sentence.
        metrics: as in `metrics.json`; the tiles at the top read `success_rate`, `success_low`, `success_high`,
            `random_floor`, `expert_ceiling`; None for a value that does not apply.
        scores: success rates, returns and latencies, the best mode first, the clones next, the floor and the ceiling last.
        imagining: the first figure. futures: strips; the first strip is beside the first figure.
        fans: moments with sampled futures; empty for a deterministic model.
        episodes: a few successes and failures. heat_maps: costs for one goal. landscapes: energies of single transitions.
        error_by_horizon: the same error in one or two units.
        monitors: collapse monitors. alarms: alarms raised in training. curves: losses. probes: true value -> held-out R2, NaN
            if undefined; `level N: ` precedes the name for a level N above the first.
        lost: where the state tells less than the untrained encoder's; empty where nowhere.
        verdict: the first lines of the page, if the agent is not above random actions or could not be tested; else empty.
        gates: the conditions that were measured then, in the order of causes.
        notes: what limits the success rates, a sentence each: tasks that failed, decisions without time to plan.
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
    lost: tuple[LostVariation, ...] = ()
    curves: tuple[Curve, ...] = ()
    probes: Mapping[str, float] = field(default_factory=dict)
    making: Making | None = None
    verdict: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    notes: tuple[str, ...] = ()
