"""The page of a tuning (`forethought tune`): every trial, the evidence of each choice, tuned against untuned on fresh tasks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from forethought.config import CONFIGURATION, Configuration
from forethought.errors import ForethoughtError
from forethought.evaluation.statistics import wilson
from forethought.execution import InProcess
from forethought.extras import lacking
from forethought.report import labels
from forethought.report.charts import render_svg
from forethought.report.palette import QUIET, SERIES
from forethought.report.reasons import grouped_reasons, settings_text
from forethought.report.rendering import PAGE, write_page
from forethought.training.agent_files import read_configuration
from forethought.tuning.comparison import OWN, difference, option_evidence, verdict
from forethought.tuning.halving import RUNGS
from forethought.tuning.record import BEST, OVERRIDES, TrialRecord, TuningRecord, read_tuning
from forethought.tuning.sampler import importances
from forethought.tuning.search import TuningSearch
from forethought.tuning.search_space import SearchAxis
from forethought.tuning.trial_score import TrialScore

STAGES = {"training": "Trainings", "planning": "Settings of the planner"}


def write_tuning_page(run: Path) -> Path:
    """Draw the page of a tuning as it is now, and write it to `RUN/report.html` atomically.

    Raises:
        ForethoughtError: no trial has a score yet. CorruptFileError: its files are damaged.
    """
    record = read_tuning(run)
    if not any(trial.scores for trial in record.trials):
        raise ForethoughtError(f"No trial of {run} has a score yet: go on with `forethought tune ... --out {run} --resume`.")
    search = TuningSearch(run, None, record, InProcess())
    finished = record.stage == "finished"
    configuration = read_configuration(run / BEST / CONFIGURATION) if finished else search.rules
    contents = {
        "title": f"{re.split('[:/]', search.rules.data.world)[-1]}, tuned",
        "record": record,
        "finished": finished,
        "verdict": verdict(record) if record.compared else ["It is not finished: what follows is what is known so far."],
        "agents": [_agent(one, record) for one in record.compared],
        "difference": difference(record),
        "chosen": [reason for reason in configuration.reasons if reason.because.startswith("tuned: ")],
        "stages": [found for stage in STAGES if (found := _stage(search, stage))["trials"]],
        "training_share": [labels.percent(share) for share in RUNGS],
        "fixed": sorted(search.fixed),
        "choices": grouped_reasons(_without_tuned(configuration)),
        "settings": settings_text(configuration),
        "command": _command(run, record),
    }
    return write_page("tuning.html.j2", contents, run / PAGE)


def _without_tuned(configuration: Configuration) -> Configuration:
    kept = tuple(reason for reason in configuration.reasons if not reason.because.startswith("tuned: "))
    return configuration.model_copy(update={"reasons": kept})


def _agent(one: Any, record: TuningRecord) -> dict[str, Any]:
    """A row of the comparison."""
    count = len(one.touched)
    rate = sum(one.touched) / count if count else None
    return {
        "name": "the configurator's own" if one.name == OWN else "tuned",
        "rate": rate,
        "interval": wilson(sum(one.touched), count) if count else None,
        "tasks": count,
        "skill": one.skill,
        "calls": one.model_calls,
    }


def _stage(search: TuningSearch, stage: str) -> dict[str, Any]:
    """Trials and evidence of one stage."""
    trials = search.record.of_stage(stage)
    if not trials:
        return {"trials": []}
    axes = search.axes(stage)
    shares = {} if lacking("tune") else importances(axes, trials)
    best = search.best if stage == "training" else search.best_planning
    evidence = [_axis(axis, trials, best, shares.get(axis.name)) for axis in axes]
    return {
        "name": STAGES[stage],
        "planning": stage == "planning",
        "trials": [_trial(trial, axes, best) for trial in trials],
        "evidence": sorted(evidence, key=lambda one: -(one["importance"] or 0.0)),
        "rungs": max(len(trial.scores) for trial in trials),
        "chart": _chart(trials, stage),
    }


def _trial(trial: TrialRecord, axes: Sequence[SearchAxis], best: TrialRecord | None) -> dict[str, Any]:
    by_name = {axis.name: axis for axis in axes}
    changed = [f"{name} = {by_name[name].options[index].label}" for name, index in trial.options.items() if name in by_name]
    return {
        "number": trial.number,
        "changed": "; ".join(changed) or "nothing: the settings that it started from",
        "scores": [_score(score) for score in trial.scores],
        "seconds": sum(trial.seconds),
        "stopped": trial.stopped,
        "best": best is not None and trial.number == best.number,
        "calls": trial.scores[0].model_calls if trial.scores else None,
    }


def _score(score: TrialScore) -> str:
    """A score with its interval, as text."""
    if not score.tasks:
        return f"skill {labels.number(score.skill)}"
    low, high = score.interval
    return f"{score.successes}/{score.tasks} [{100 * low:.0f}, {100 * high:.0f}] %, skill {labels.number(score.skill)}"


def _axis(
    axis: SearchAxis, trials: Sequence[TrialRecord], best: TrialRecord | None, importance: float | None
) -> dict[str, Any]:
    chosen = axis.own if best is None else best.options.get(axis.name, axis.own)
    rows = []
    for index, option in enumerate(axis.options):
        count, mean, low, high = option_evidence(axis, trials, index)
        rows.append(
            {
                "label": option.label,
                "own": index == axis.own,
                "chosen": index == chosen,
                "count": count,
                "mean": mean,
                "interval": f"{100 * low:.0f} to {100 * high:.0f}",
            }
        )
    return {"name": axis.name, "why": axis.why, "rows": rows, "importance": importance}


def _chart(trials: Sequence[TrialRecord], stage: str) -> Markup:
    """Scores over trials, a colour for each rung, with their 95 % intervals."""

    def draw(axes: Axes) -> None:
        for rung in range(max(len(trial.scores) for trial in trials)):
            reached = [trial for trial in trials if len(trial.scores) > rung]
            scores = [trial.scores[rung] for trial in reached]
            values = [score.success_rate if score.tasks else score.skill for score in scores]
            bounds = [score.interval if score.tasks else (value, value) for score, value in zip(scores, values, strict=True)]
            errors = [[v - low for v, (low, _) in zip(values, bounds, strict=True)],
                      [high - v for v, (_, high) in zip(values, bounds, strict=True)]]  # fmt: skip
            name = f"{labels.percent(RUNGS[rung])} of the steps" if stage == "training" else ("first", "other tasks")[rung]
            numbers = [trial.number + 0.22 * rung for trial in reached]
            axes.errorbar(numbers, values, errors, fmt="o", ms=5, lw=1.1, color=SERIES[rung], label=name)
        first = trials[0].scores[0]
        axes.axhline(first.success_rate if first.tasks else first.skill, color=QUIET, ls="--", lw=1.2)
        axes.set(xlabel="trial", ylabel="success on validation tasks" if first.tasks else "skill of predictions")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        if first.tasks:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=3, fontsize=10)

    return render_svg(draw, (8.2, 3.2), f"tuning-{stage}")


def _command(run: Path, record: TuningRecord) -> str:
    """The commands that use what came out, or go on with the tuning."""
    store, folder = shlex.quote(record.request.store), shlex.quote(str(run))
    if record.stage != "finished":
        return f"forethought tune {store} --out {folder} --resume"
    return "\n".join(
        [
            f"forethought evaluate {folder}/{BEST}",
            f"forethought report {folder}/{BEST}",
            f"forethought train {store} --out NEW_RUN --config {folder}/{OVERRIDES}",
        ]
    )
