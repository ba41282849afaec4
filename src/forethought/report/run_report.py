"""Evaluation and report of a trained run: writes `metrics.json`, result rows and `report.html`."""

from __future__ import annotations

import datetime
import logging
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from forethought.agent import Agent
from forethought.atomic_io import write_json
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.baselines import baseline_figures, return_figures
from forethought.evaluation.diagnosis import Gate, diagnose, in_words
from forethought.evaluation.episodes import Recording
from forethought.evaluation.probes import probe_levels
from forethought.evaluation.result_rows import row, score_rows, write_results
from forethought.evaluation.run_store import chosen_store
from forethought.evaluation.score import Score, baseline_scores, gives_rewards, score_mode, with_return
from forethought.evaluation.statistics import wilson
from forethought.report import report_data as page
from forethought.report.curves import alarms_of, curves_of, monitors_of
from forethought.report.lost_variation import lost_variation
from forethought.report.page import MATERIAL, rebuild_report
from forethought.report.readme_figure import write_hero
from forethought.report.storage import load_material, save_material
from forethought.report.visualizations import CloseLook
from forethought.training.agent_files import load
from forethought.training.record import training_record
from forethought.worlds.goals import why_no_tasks

log = logging.getLogger(__name__)
RECORDED = 24
MODES: tuple[tuple[Mode, str], ...] = (("plan", "Mode-2 (plans)"), ("auto", "auto"), ("react", "Mode-1 (reacts)"))
CLONES = {"cloned": "cloned", "cloned_without_goal": "cloned, no goal"}


@dataclass(frozen=True)
class Tested:
    """An evaluation. Fields: arena. scores, recordings: by mode. gates: why the agent is not above random actions."""

    arena: Arena
    scores: Mapping[str, Score]
    recordings: Mapping[str, Recording]
    gates: tuple[Gate, ...]


def show_run(run: Path | str, *, tasks: int = 100, bench: str = "run", agent: Agent | None = None) -> Path:
    """Evaluate a trained run on held-out tasks in all three modes, and write its metrics and its report.

    An agent without a world to act in (a recording) gets a report of its predictions.

    Args:
        run: folder of the run; the episode store that it was trained on must exist. tasks: number of held-out tasks.
        bench: name of the result file; its rows have the format of `benchmarks/`.
        agent: the agent of this run, for agents with custom parts (`load(run, build=...)`); None loads it from `run`.

    Returns:
        `RUN/report.html`. The function also writes `metrics.json`, `BENCH.json` and `imagined-futures.png` to `RUN`.
    """
    run = Path(run)
    agent, record = agent or load(run), training_record(run)
    store = chosen_store(run)
    assert store is not None
    seed, missing = agent.configuration.training.seed, why_no_tasks(store.spec)
    tested = None if missing else _test(agent, store, run, tasks)
    probes, *above = probe_levels(agent, store, 1 + len(agent.modules.above))
    metrics = of_training(probes, record, seed)
    if tested is not None:
        metrics = figures(tested.scores, probes, record, seed)
        write_results(run, bench, rows(bench, tested.scores, probes, record, seed))
    write_json(run / "metrics.json", metrics)
    upper_probes = {f"level {number}: {name}": r2 for number, level in enumerate(above, 2) for name, r2 in level.items()}
    _save(run, _material(agent, store, tested, missing, probes | upper_probes, metrics, run))
    return rebuild_report(run)


def show_trained(run: Path | str, *, tasks: int = 100, bench: str = "run") -> Path:
    """`show_run` right after a training: whatever fails, the agent is safe, and the error says so.

    Raises:
        ForethoughtError: the evaluation or the report failed; says where the agent is, and how to go on.
    """
    try:
        return show_run(run, tasks=tasks, bench=bench)
    except Exception as error:
        cause = str(error) if isinstance(error, ForethoughtError) else f"{type(error).__name__}: {error}"
        log.debug("the evaluation failed", exc_info=True)
        raise ForethoughtError(
            f"The agent is trained and safe in {run}; its evaluation or its report failed ({cause.rstrip('.')}): go on with "
            f"`forethought report {shlex.quote(str(run))}`."
        ) from error


def first_lines(run: Path | str) -> tuple[str, ...]:
    """What the first screen of a run says: verdict and broken gates, or that there is no world to act in; then the notes."""
    material = load_material(Path(run) / MATERIAL)
    return material.verdict + material.notes


def _test(agent: Agent, store: EpisodeStore, run: Path, tasks: int) -> Tested:
    """Evaluate all modes; gates are measured only where planning is not above random actions."""
    body = agent.configuration.data
    arena = make_arena(body.world, body.options, tasks, store)
    reference, rewarded = arena.reference(), gives_rewards(arena, store)
    scores: dict[str, Score] = {}
    recordings: dict[str, Recording] = {}
    for mode, name in MODES:
        recordings[mode] = Recording(min(RECORDED, tasks))
        score = score_mode(agent, arena, mode, reference, recordings[mode])
        scores[mode] = with_return(score, agent, arena, mode, rewarded)
        log.info("%s: %.0f %% of %d tasks", name, 100 * scores[mode].success_rate, scores[mode].tasks)
    seed = agent.configuration.training.seed
    scores["plan"] = replace(scores["plan"], baselines=baseline_scores(agent, arena, store, rewarded, seed))
    others = {mode: scores[mode] for mode in ("auto", "react")}
    gates = diagnose(agent, store, scores["plan"], run, others) if scores["plan"].verdict else ()
    return Tested(arena, scores, recordings, gates)


def of_training(probes: Mapping[str, float], record: Mapping[str, object], seed: int) -> dict[str, page.Metric]:
    """Metrics that need no evaluation."""
    seconds = record["seconds"]
    assert isinstance(seconds, dict)
    return {
        "train_frames": _integer(record["train_frames"]),
        "train_seconds": float(sum(seconds.values())),
        "probe_position_r2": probes.get("position", probes.get("state")),
        **{f"probe_{name}_r2": value for name, value in probes.items() if name != "position"},
        "seed": seed,
    }


def figures(
    scores: Mapping[str, Score], probes: Mapping[str, float], record: Mapping[str, object], seed: int
) -> dict[str, page.Metric]:
    """Metrics of a run, the content of `metrics.json`."""
    plan, react, auto = scores["plan"], scores["react"], scores["auto"]
    return {
        "success_rate": plan.success_rate,
        "success_low": plan.success_low,
        "success_high": plan.success_high,
        "held_rate": plan.held_rate,
        "random_floor": plan.random_floor,
        "expert_ceiling": plan.expert_ceiling,
        "mode1_success_rate": react.success_rate,
        "auto_success_rate": auto.success_rate,
        "auto_planned_share": auto.planned_share,
        "ms_per_decision_mode1": react.ms_per_decision,
        "ms_per_decision_mode2": plan.ms_per_decision,
        "model_calls_per_decision": plan.model_calls_per_decision,
        **return_figures(plan.episodes),
        **return_figures(react.episodes, "mode1_"),
        **return_figures(auto.episodes, "auto_"),
        **baseline_figures(plan.baselines),
        "tasks": plan.tasks,
        "failed_tasks": plan.failed_tasks,
        "fallback_share": plan.fallback_share,
        **of_training(probes, record, seed),
    }


def rows(
    bench: str, scores: Mapping[str, Score], probes: Mapping[str, float], record: Mapping[str, object], seed: int
) -> list[dict[str, object]]:
    """Scores and probes as rows of a result file."""
    names = {"plan": "mode-2", "react": "mode-1", "auto": "auto"}
    lines = [line for mode, score in scores.items() for line in score_rows(bench, names[mode], [vars(score)], [record], [seed])]
    for baseline in scores["plan"].baselines:
        if baseline.name in CLONES:
            interval = {"low": baseline.success_low, "high": baseline.success_high, "n": baseline.tasks}
            lines.append(row(bench, baseline.name, "success_rate", baseline.success_rate, **interval, seeds=[seed]))
    returns = {names[mode]: score.episodes for mode, score in scores.items()}
    returns |= {baseline.name: baseline.episodes for baseline in scores["plan"].baselines}
    lines += [
        row(bench, agent, "return", found.mean, low=found.low, high=found.high, n=found.episodes, seeds=[seed])
        for agent, found in returns.items()
        if found is not None
    ]
    return lines + [row(bench, "mode-2", f"probe_{name}_r2", value, seeds=[seed]) for name, value in probes.items()]


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value


def _save(run: Path, material: page.ReportMaterial) -> None:
    save_material(run / MATERIAL, material)
    if material.imagining is not None:
        write_hero(material, run / "imagined-futures.png")


def _material(
    agent: Agent, store: EpisodeStore, tested: Tested | None, missing: str,
    probes: Mapping[str, float], metrics: Mapping[str, page.Metric], run: Path,
) -> page.ReportMaterial:  # fmt: skip
    body = agent.configuration.data
    look = CloseLook(agent, store, None if tested is None else tested.arena)
    goal_streams = " and ".join(stream.name for stream in body.goal_streams)
    episodes: tuple[page.RecordedEpisode, ...] = ()
    scores: tuple[page.ModeScore, ...] = ()
    task, first = "Success is not measured.", [_capital(missing)]
    if tested is not None:
        for mode, count in (("plan", 2), ("react", 1)):
            episodes += look.episodes(tested.recordings[mode], tested.scores[mode], mode, good=count, bad=count)
        task = f"Task: reach the goal, given as {goal_streams}. Success: {tested.arena.tasks.success}."
        first, scores = in_words(tested.scores["plan"], tested.gates), _bars(tested.scores)
    return page.ReportMaterial(
        title=body.world.split("/")[-1],
        world=body.world,
        task=task,
        metrics=metrics,
        configuration=agent.configuration,
        scores=scores,
        imagining=look.imagining(),
        futures=look.futures(),
        fans=look.fans(),
        episodes=episodes,
        heat_maps=look.heat_maps(),
        landscapes=look.landscapes(),
        error_by_horizon=look.error_by_horizon(),
        monitors=monitors_of(run),
        alarms=alarms_of(run),
        lost=lost_variation(agent, store),
        curves=curves_of(run),
        probes=probes,
        making=_making(agent),
        verdict=tuple(first),
        gates=() if tested is None else tested.gates,
        notes=() if tested is None else tuple(f"{name}: {note}" for m, name in MODES for note in tested.scores[m].notes),
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _bars(scores: Mapping[str, Score]) -> tuple[page.ModeScore, ...]:
    bars = [
        page.ModeScore(
            name, "agent", s.success_rate, s.success_low, s.success_high, s.tasks,
            s.ms_per_decision, s.ms_per_decision_p95, s.model_calls_per_decision, s.episodes,
        )
        for (mode, name) in MODES
        for s in [scores[mode]]
    ]  # fmt: skip
    plan = scores["plan"]
    returns = {baseline.name: baseline.episodes for baseline in plan.baselines}
    bars += [
        page.ModeScore(CLONES[b.name], "baseline", b.success_rate, b.success_low, b.success_high, b.tasks, episodes=b.episodes)
        for b in plan.baselines
        if b.name in CLONES
    ]
    low, high = wilson(round(plan.random_floor * plan.tasks), plan.tasks)
    bars.append(page.ModeScore("random", "floor", plan.random_floor, low, high, plan.tasks, episodes=returns.get("random")))
    if plan.expert_ceiling is not None:
        low, high = wilson(round(plan.expert_ceiling * plan.tasks), plan.tasks)
        ceiling = page.ModeScore("expert", "ceiling", plan.expert_ceiling, low, high, plan.tasks)
        bars.append(replace(ceiling, episodes=returns.get("expert")))
    return tuple(bars)


def _making(agent: Agent) -> page.Making:
    return page.Making(
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        seed=agent.configuration.training.seed,
        machine=f"{os.cpu_count()} cores, {platform.machine()}, {agent.device.type}",
        versions={name: version(name) for name in ("forethought", "torch", "numpy")},
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
