"""The report of a run: one HTML file that needs no network and no script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forethought.report import charts, labels
from forethought.report.drawing import data_uri, picture_uri
from forethought.report.life_page import is_life, write_life_page
from forethought.report.readme_figure import draw_imagining
from forethought.report.reasons import grouped_reasons, settings_text
from forethought.report.rendering import PAGE, write_page
from forethought.report.report_data import Curve, Fan, ModeScore, RecordedEpisode, ReportMaterial
from forethought.report.storage import load_material
from forethought.report.strips import SMALL, picture_strip
from forethought.report.tuning_page import write_tuning_page
from forethought.report.video import encode_mp4, episode_frames, poster
from forethought.tuning.record import is_tuning

MATERIAL = "material"
PROBE = "probe_"
WIDEST, WIDEST_FIRST = 9, 5
"""Maximum pictures per row of a strip; the first strip is larger and has a narrower column."""


@dataclass(frozen=True)
class Bar:
    """One bar of the success chart; rates in percent."""

    name: str
    kind: str
    rate: float
    low: float
    high: float
    text: str
    interval: str


def write_report(material: ReportMaterial, path: Path) -> Path:
    """Render the report and write it to `path` atomically.

    Returns:
        `path`. The same material always makes the same bytes.
    """
    return write_page("page.html.j2", _contents(material), path)


def rebuild_report(run: Path | str) -> Path:
    """Render a run's report again from its stored report data, or a life's or a tuning's from its folder.

    Returns:
        The page's path.

    Raises:
        ForethoughtError: the run has no report data, or the life has not begun to learn, or no trial of a tuning has a score.
        CorruptFileError: the data are damaged.
    """
    if is_life(Path(run)):
        return write_life_page(Path(run))
    if is_tuning(Path(run)):
        return write_tuning_page(Path(run))
    return write_report(load_material(Path(run) / MATERIAL), Path(run) / PAGE)


def _contents(material: ReportMaterial) -> dict[str, Any]:
    """Variables of the template; an empty part is an empty list, and the template omits its section."""
    imagining = material.imagining
    probed = [curve for curve in material.monitors if curve.name.startswith(PROBE)]
    return {
        "m": material,
        "headline": _headline(material.metrics),
        "verdict": material.verdict[0] if material.verdict else None,
        "broken": [gate for gate in material.gates if not gate.passed],
        "passed": [gate for gate in material.gates if gate.passed],
        "room": None if imagining is None else picture_uri(draw_imagining(imagining)),
        "goal": None if imagining is None or imagining.goal is None else picture_uri(imagining.goal, SMALL),
        "futures": [picture_strip(f, WIDEST if i else WIDEST_FIRST) for i, f in enumerate(material.futures)],
        "fans": [_fan(f) for f in material.fans],
        "above": max((len(way) for episode in material.episodes for way in episode.ways), default=0),
        "episodes": [_episode(e, i) for i, e in enumerate(material.episodes)],
        "heat_maps": [
            {"heat": h, "title": labels.plain(h.name), "svg": charts.energy_of_places(h)} for h in material.heat_maps
        ],
        "landscapes": [
            {"land": land, "svg": charts.energy_of_outcomes(land, str(i))} for i, land in enumerate(material.landscapes)
        ],
        "errors": [
            {"error": e, "svg": charts.error_by_horizon(e), "summary": _error_words(e)} for e in material.error_by_horizon
        ],
        "bars": [_bar(s) for s in material.scores],
        "latencies": _latencies(material.scores),
        "returns": [(score.name, score.episodes) for score in material.scores if score.episodes is not None],
        "monitors": [_monitor(c) for c in material.monitors if not c.name.startswith(PROBE)],
        "lost": [{"of": one, "pictures": [picture_uri(picture, SMALL) for picture in one.pictures]} for one in material.lost],
        "probe_curves": charts.together(probed, "probes", logarithmic=False) if probed else None,
        "trainings": _trainings(material.curves),
        "probes": [
            (labels.plain(n), v, None if np.isnan(v) else 100 * min(max(v, 0.0), 1.0)) for n, v in material.probes.items()
        ],
        "metrics": [(labels.metric_words(n), n, labels.number(v)) for n, v in material.metrics.items()],
        "choices": [] if material.configuration is None else grouped_reasons(material.configuration),
        "settings": "" if material.configuration is None else settings_text(material.configuration),
    }


def _headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics of the tiles at the top; a missing metric is None."""
    names = (
        "success_rate",
        "success_low",
        "success_high",
        "random_floor",
        "expert_ceiling",
        "mode1_success_rate",
        "train_seconds",
    )
    return {name: metrics.get(name) for name in names}


def _fan(fan: Fan) -> dict[str, Any]:
    """The current picture, and a row of pictures for each future of non-zero probability."""
    lines = [
        {"odds": float(odds), "pictures": [picture_uri(picture, SMALL) for picture in line]}
        for odds, line in zip(fan.odds, fan.decoded, strict=True)
        if odds > 0
    ]
    return {"present": picture_uri(fan.present, SMALL), "lines": lines, "blocks": fan.decoded.shape[1], "note": fan.note}


def _episode(episode: RecordedEpisode, index: int) -> dict[str, Any]:
    """One video card."""
    energies = {name: np.asarray(values, np.float64) for name, values in episode.energies.items() if np.isfinite(values).any()}
    return {
        "video": data_uri(encode_mp4(episode_frames(episode), len(episode.frames)), "video/mp4"),
        "poster": picture_uri(poster(episode)),
        "goal": None if episode.goal is None else picture_uri(episode.goal, SMALL),
        "succeeded": episode.succeeded,
        "mode": {"plan": "Mode-2, planning", "react": "Mode-1, reacting", "auto": "auto"}.get(episode.mode, episode.mode),
        "frames": len(episode.frames),
        "decisions": len(episode.decision_steps),
        "note": episode.note,
        "minds": _first_plans(episode),
        "felt": charts.felt(energies, str(index)) if energies else None,
        "energy_names": ", ".join(energies),
    }


def _first_plans(episode: RecordedEpisode) -> str | None:
    """Plan of each level at the first decision in words, highest level first; None for an agent with one level."""
    if not episode.ways or not episode.ways[0] or episode.path is None:
        return None
    paths = [(level, path) for level, path in enumerate((episode.imagined[0], *episode.ways[0]), 1) if len(path)]
    plans = [(level, labels.heading(np.concatenate([episode.path[:1], path]), episode.walls)) for level, path in paths]
    text = "; ".join(f"level {level}: {plan}" for level, plan in reversed(plans))
    return f"First plan: {text}."


def _bar(score: ModeScore) -> Bar:
    rate, low, high = (100 * share for share in (score.rate, score.low, score.high))
    return Bar(score.name, score.kind, rate, low, high, labels.percent(score.rate), f"{low:.0f}–{high:.0f}")


def _latencies(scores: tuple[ModeScore, ...]) -> dict[str, Any] | None:
    """The latency table and the ratio of the slowest to the fastest mode; None without any latency."""
    timed = [(score, score.ms_median) for score in scores if score.ms_median is not None]
    if not timed:
        return None
    slow, fast = max(timed, key=lambda pair: pair[1]), min(timed, key=lambda pair: pair[1])
    ratio = labels.times(slow[1] / fast[1]) if len(timed) > 1 and fast[1] > 0 else None
    return {"rows": [score for score, _ in timed], "ratio": ratio, "slow": slow[0].name, "fast": fast[0].name}


def _error_words(error: Any) -> str:
    """The chart's last point in words; also its alternative text."""
    horizon, model, copied = (labels.number(values[-1].item()) for values in (error.horizon, error.model, error.copy_last))
    return (
        f"At {horizon} blocks ahead the error of the world model is {model}; the error of copying the last state is {copied} "
        f"({error.unit})."
    )


def _monitor(curve: Curve) -> dict[str, Any]:
    """One monitor card; `bad` if its last finite value is outside the healthy range."""
    label, explanation = labels.curve_words(curve.name)
    finite = curve.values[np.isfinite(curve.values)]
    last = float(finite[-1]) if len(finite) else None
    low = -np.inf if curve.low is None else curve.low
    high = np.inf if curve.high is None else curve.high
    bad = last is not None and not low <= last <= high
    return {
        "label": label,
        "explanation": curve.explanation or explanation,
        "last": last,
        "bad": bad,
        "svg": charts.monitor(curve),
    }


def _trainings(curves: tuple[Curve, ...]) -> list[dict[str, Any]]:
    """One chart per phase, in the order of their first curve."""
    phases = list(dict.fromkeys(curve.phase for curve in curves))
    grouped = [(phase, [curve for curve in curves if curve.phase == phase]) for phase in phases]
    return [
        {
            "title": labels.plain(phase),
            "svg": charts.together(group, phase),
            "names": ", ".join(labels.curve_words(c.name)[0] for c in group),
        }
        for phase, group in grouped
    ]
