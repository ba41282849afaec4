"""The page of a life (`forethought live`), while it runs and afterwards; drawn from the files in the run's folder alone."""

from __future__ import annotations

import json
import logging
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from forethought.atomic_io import read_object
from forethought.config import CONFIGURATION
from forethought.data.growing import GrowingStore
from forethought.errors import ForethoughtError
from forethought.evaluation.baselines import EpisodeReturn
from forethought.evaluation.returns import METRICS
from forethought.online.dataset import DATASET
from forethought.online.progress import PROGRESS, LifeProgress, read_progress
from forethought.online.record import LIFE
from forethought.report import labels, life_charts
from forethought.report.latest_episode import LatestEpisode, Trace, latest_episode
from forethought.report.life_alarms import Standing, life_alarms, standing
from forethought.report.reasons import grouped_reasons, settings_text
from forethought.report.rendering import PAGE, write_page
from forethought.report.strips import picture_strip
from forethought.training.agent_files import AGENT, load, read_configuration

log = logging.getLogger(__name__)
REFRESH = 60
"""Seconds after which a browser opens the page of a running life again."""
READINGS: dict[str, tuple[str, str]] = {
    "consistency": ("Prediction of states", "Squared error of predicted states; lower is better."),
    "reward": ("Prediction of rewards", "Loss of the reward head; it falls to the randomness of the rewards."),
    "drives": ("Prediction of drives", "Loss of the heads that predict what the body feels; summed over the drives."),
    "ending": ("Prediction of endings", "Loss of the head that predicts whether the episode ends."),
    "value": ("Critic", "Loss of the critic of future cost. It rises for a while when the agent sees new things."),
    "cloning": (
        "Distance to recorded actions",
        "How far Mode-1 is from what was recorded; copied for half a life.",
    ),
    "disagreement": ("Curiosity's predictors", "Their error on what happened next. Where they disagree, the agent is curious."),
    "entropy": ("Entropy of the policy", "How much the policy still tries. It falls as the agent becomes certain."),
    "variance": ("Variance hinge", "0 if each number of the state varies enough; 1 means collapse."),
    "state_std": ("Spread of states", "Standard deviation of states over the replay. Near 0 means collapse."),
}
UNSHOWN = {"covariance", "policy", "future_cost", "largest_cost"}


def is_life(run: Path) -> bool:
    """Whether a folder is the run of a life."""
    return (run / LIFE).exists()


def write_life_page(run: Path) -> Path:
    """Draw the page of a life as it is now, and write it to `RUN/report.html` atomically.

    Raises:
        ForethoughtError: the life has not begun to learn. CorruptFileError: its files are damaged.
    """
    progress, configuration = read_progress(run), read_configuration(run / CONFIGURATION)
    request = read_object(run / LIFE, "the record of the life")["request"]
    outcome = _outcome(run, progress)
    store, episode, missing = _latest(run)
    contents = {
        "title": re.split("[:/]", str(request["world"]))[-1],
        "world": request["world"],
        "refresh": REFRESH if progress.state == "running" else 0,
        "p": progress,
        "how_far": how_far(progress),
        "verdict": verdict(outcome, progress),
        "outcome": outcome,
        "alarms": life_alarms(progress, configuration),
        # The curve shows returns; with drives the outcome is less than these by what was felt.
        "curve": _curve(progress, None if configuration.data.drives else outcome.random),
        "energies": _energies(progress, store, configuration.data.drives),
        "readings": _readings(progress),
        "episode": None if episode is None else _episode(episode),
        "missing": missing,
        "saved_at": max(progress.evaluations, key=lambda each: (each[1], each[0]))[0] if progress.evaluations else None,
        "changes": changes(progress),
        "choices": grouped_reasons(configuration),
        "settings": settings_text(configuration),
        "command": _command(run, request, progress.total),
    }
    return write_page("life.html.j2", contents, run / PAGE)


def how_far(progress: LifeProgress) -> str:
    """The first line: how far the life is, what it has lived, and what was lost."""
    share = labels.percent(min(1.0, progress.steps / progress.total))
    lost = f"{progress.lost} lost" if progress.lost else "none lost"
    first = {"running": "It is learning now", "finished": "It has finished", "stopped": "It was stopped"}[progress.state]
    return (
        f"{first}: {labels.number(progress.steps)} of {labels.number(progress.total)} steps ({share}), "
        f"{labels.number(progress.episodes)} {'episode' if progress.episodes == 1 else 'episodes'} ({lost}), "
        f"{labels.duration(progress.seconds)}."
    )


def verdict(outcome: Standing, progress: LifeProgress) -> str:
    """Whether the agent is above random actions, in one sentence with its figures."""
    if outcome.agent is None or outcome.random is None:
        return "Whether it is above random actions is not known yet: too few episodes."
    figures = f"return {_interval(outcome.agent)} {outcome.source}, random actions {_interval(outcome.random)}"
    if outcome.above:
        return f"It is above random actions: {figures}."
    return f"It is {'not yet' if progress.state == 'running' else 'not'} above random actions: {figures}."


def _interval(found: EpisodeReturn) -> str:
    return f"{labels.number(found.mean)} [{labels.number(found.low)}, {labels.number(found.high)}]"


def _outcome(run: Path, progress: LifeProgress) -> Standing:
    """From `metrics.json` where it was written after the life, else from evaluations and episodes."""
    path = run / METRICS
    if progress.state == "finished" and path.exists() and path.stat().st_mtime >= (run / PROGRESS).stat().st_mtime:
        try:
            found = read_object(path, "the metrics of the run")
            agent, random = (EpisodeReturn(**each) for each in found["total"])
            less = " less weighted drives" if found["drives"] else ""
            return Standing(agent, random, f"{less} in {agent.episodes} episodes of the final evaluation".strip())
        except (ForethoughtError, KeyError, TypeError) as error:
            log.warning("%s is damaged and was left out: %s", path, error)
    return standing(progress)


def _latest(run: Path) -> tuple[GrowingStore | None, LatestEpisode | None, str]:
    """The dataset and the latest episode, or why there is none. A part that can't be drawn leaves the rest of the page."""
    try:
        store = GrowingStore(run / DATASET)
    except (ForethoughtError, OSError) as error:
        return None, None, f"The dataset can't be read now: {error}"
    if not (run / AGENT).is_dir():
        return store, None, "The agent is saved at its first evaluation; then its predictions are shown here."
    try:
        return store, latest_episode(load(run, "cpu"), store), ""
    except Exception as error:
        log.debug("the latest episode could not be drawn", exc_info=True)
        return store, None, f"The latest episode can't be drawn: {type(error).__name__}: {error}"


def _curve(progress: LifeProgress, floor: EpisodeReturn | None) -> dict[str, Any] | None:
    if not progress.returns:
        return None
    returns, evaluations = np.array(progress.returns, np.float64), np.array(progress.evaluations, np.float64).reshape(-1, 4)
    svg = life_charts.learning_curve(returns, evaluations, progress.total, progress.random, floor)
    return {
        "svg": svg,
        "words": f"Return of {len(returns)} episodes over environment steps; the last one is {returns[-1, 1]:.4g}",
    }


def _energies(progress: LifeProgress, store: GrowingStore | None, drives: tuple[str, ...]) -> list[dict[str, Any]]:
    """One chart for each energy: the reward as a cost, the drives of the body, and the critic's future cost."""
    returns = np.array(progress.returns, np.float64).reshape(-1, 2)
    cards = []
    if len(returns):
        words = "Cost of an episode: its return, negated. A hard-wired intrinsic cost, which no learning changes."
        cards.append(_energy("Reward, as a cost", words, returns[:, 0], -returns[:, 1], "reward"))
    sums = store.sums("drives") if drives and store is not None else np.zeros((0, 0))
    for number, name in enumerate(drives[: sums.shape[1]]):
        count = min(len(sums), len(returns))
        if count:
            words = "Sum over an episode; a hard-wired intrinsic cost."
            cards.append(_energy(labels.plain(name), words, returns[:count, 0], sums[:count, number], name))
    steps, costs = _series(progress, "future_cost")
    if len(steps):
        svg = life_charts.reading_over_time(steps, costs, "future_cost")
        words = "Discounted cost that the critic expects from rows of the replay on: a trained cost. Lower is better."
        cards.append({"label": "Critic's future cost", "svg": svg, "last": _last(costs), "words": words})
    return cards


def _energy(label: str, words: str, steps: Any, values: Any, key: str) -> dict[str, Any]:
    return {"label": label, "svg": life_charts.energy_over_time(steps, values, key), "last": _last(values), "words": words}


def _readings(progress: LifeProgress) -> list[dict[str, Any]]:
    """One chart for each loss and monitor, the known ones first."""
    names = dict.fromkeys(name for _, values in progress.readings for name in values if name not in UNSHOWN)
    ordered = [name for name in READINGS if name in names] + [name for name in names if name not in READINGS]
    cards = []
    for name in ordered:
        steps, values = _series(progress, name)
        label, words = READINGS.get(name, (labels.plain(name), ""))
        svg = life_charts.reading_over_time(steps, values, name)
        cards.append({"label": label, "svg": svg, "last": _last(values), "words": words})
    return cards


def _series(progress: LifeProgress, name: str) -> tuple[Any, Any]:
    """Steps and values of one reading; NaN where it was not finite."""
    points = [(at, values[name]) for at, values in progress.readings if name in values]
    steps = np.array([at for at, _ in points], np.float64)
    return steps, np.array([np.nan if value is None else value for _, value in points], np.float64)


def _last(values: Any) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else None


def _episode(found: LatestEpisode) -> dict[str, Any]:
    """The section of the latest episode."""

    def card(trace: Trace, starts: tuple[int, ...], note: str = "") -> dict[str, Any]:
        svg = life_charts.beside(trace.happened, starts, trace.predicted, trace.name, trace.name.startswith("probability"))
        return {"label": trace.name[:1].upper() + trace.name[1:], "svg": svg, "note": note}

    return {
        "found": found,
        "numbers": [card(each, found.starts, f"readout R² {labels.number(found.r2[each.name])}") for each in found.numbers],
        "outcomes": [card(each, found.starts) for each in found.outcomes] + [card(found.future_cost, (0,))],
        "strips": [picture_strip(each, len(each.real), found.every) for each in found.strips],
    }


def changes(progress: LifeProgress) -> list[tuple[int, str]]:
    """What changed during the life, the latest first: what was noted, and evaluations that replaced the saved agent."""
    found, best = list(progress.changes), -np.inf
    for steps, mean, _, _ in progress.evaluations:
        if mean >= best:
            before = "the first one" if best == -np.inf else f"instead of {labels.number(best)}"
            found.append((steps, f"the saved agent is that of this moment: return {labels.number(mean)}, {before}"))
            best = mean
    return sorted(found, key=lambda change: -change[0])


def _command(run: Path, request: Mapping[str, Any], total: int) -> str:
    """The command that goes on with the life."""
    options = [part for name, value in request["options"].items() for part in ("--option", f"{name}={_plain(value)}")]
    words = ["forethought", "live", str(request["world"]), "--out", str(run), "--steps", str(total)]
    return shlex.join([*words, "--seed", str(request["seed"]), *options, "--resume"])


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
