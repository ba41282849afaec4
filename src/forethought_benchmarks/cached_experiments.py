"""Benchmarks in units: one training seed of one variant, kept on disk when done, so that a stopped benchmark goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forethought.agent import Agent
from forethought.atomic_io import read_json, write_json
from forethought.config import CONFIGURATION, Configuration
from forethought.configurator import Budget, configure
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.evaluate import Arena, Score, score_mode
from forethought.evaluation.result_rows import oldest_date, row, score_rows, today
from forethought.evaluation.statistics import mcnemar
from forethought.training.agent_files import AGENT, load, read_configuration
from forethought.training.train import MakePhases, every_phase, train, training_record
from forethought.worlds.tasks import digest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """One way to act with a trained agent.

    Fields:
        name: as rows call it. mode: Mode-1, Mode-2 or auto.
        changes: settings that differ while acting (`actor`, `cost`), not while learning.
    """

    name: str
    mode: Mode = "plan"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def of(self, agent: Agent) -> Agent:
        """The same weights under the changed settings."""
        return Agent(agent.configuration.changed(self.changes, f"so that it acts as {self.name}"), agent.modules, agent.device)


def trained(
    store: EpisodeStore,
    run: Path,
    seed: int,
    config: Mapping[str, Any],
    budget: Budget | None = None,
    phases: MakePhases = every_phase,
) -> Agent:
    """The run's agent: loaded when it is there, else trained (or trained on).

    Raises:
        ForethoughtError: the run was made with other data or settings than this benchmark's.
    """
    begun = (run / CONFIGURATION).exists()
    if begun:
        wanted = configure(store.spec, store.block, store.statistics(), budget=budget, overrides=config, seed=seed)
        _same_recipe(store, run, wanted)
    if not (run / AGENT).is_dir():
        own, limits = (None, None) if begun else (config, budget)
        train(store, out=run, seed=seed, config=own, budget=limits, resume=begun, phases=phases)
    return load(run)


def _same_recipe(store: EpisodeStore, run: Path, wanted: Configuration) -> None:
    found = read_configuration(run / CONFIGURATION)
    other = wanted.differing(found)
    if training_record(run)["fingerprint"] != store.fingerprint:
        other.append("its episodes")
    if other:
        raise ForethoughtError(
            f"{run} holds a unit of another recipe ({', '.join(other)} differ): name another --out, or remove that folder."
        )


def scores_of(agent: Agent, run: Path, arena: Arena, variants: Sequence[Variant]) -> dict[str, dict[str, Any]]:
    """Each variant's score on the same tasks; kept in `RUN/scores.json`, where they are looked up first.

    A score of other tasks, or of a variant that has changed since, is made again.
    """

    def score(variant: Variant) -> dict[str, Any]:
        acting = variant.of(agent)
        return kept_score(run, arena, variant, lambda: score_mode(acting, arena, variant.mode, arena.reference()))

    return {variant.name: score(variant) for variant in variants}


def kept_score(run: Path, arena: Arena, variant: Variant, make: Callable[[], Score]) -> dict[str, Any]:
    """One variant's score from `RUN/scores.json`; made and kept there if it is missing, or was of other tasks or settings."""
    path = run / "scores.json"
    known: dict[str, dict[str, Any]] = dict(read_json(path, "scores")) if path.exists() else {}
    asked = {"mode": variant.mode, "changes": variant.changes, "tasks": digest(arena.tasks)}
    if known.get(variant.name, {}).get("asked") != asked:
        started = time.monotonic()
        score = make()
        log.info("%s: %s %.1f %% (%.0f s)", run.name, variant.name, 100 * score.success_rate, time.monotonic() - started)
        known[variant.name] = {"asked": asked, "date": today(), **_plain(score)}
        write_json(path, known)
    return known[variant.name]


def kept(path: Path, asked: Any, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a file keeps of a measurement: measured if it is missing, or was asked something else (JSON) when it was made."""
    known: dict[str, Any] = dict(read_json(path, "figures")) if path.exists() else {}
    if known.get("asked") != asked:
        known = {"asked": asked, "found": measure()}
        write_json(path, known)
    return dict(known["found"])


def success_rows(world: str, names: Sequence[str], runs: Sequence[Path], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """One `success_rate` and one `held_rate` row per variant, pooled over training seeds."""
    records = [training_record(run) for run in runs]
    every = [read_json(run / "scores.json", "scores") for run in runs]
    return [line for name in names for line in score_rows(world, name, [scores[name] for scores in every], records, seeds)]


def paired_row(
    world: str, first: tuple[str, Sequence[Path]], second: tuple[str, Sequence[Path]], seeds: Sequence[int]
) -> dict[str, Any]:
    """McNemar's p-value that two variants (name, a run for each of the seeds) succeed equally often on the same tasks."""
    scores = [[read_json(run / "scores.json", "scores")[name] for run in runs] for name, runs in (first, second)]
    one, other = ([outcome for score in every for outcome in score["touched"]] for every in scores)
    known = {"n": len(one), "seeds": list(seeds), "date": oldest_date([*scores[0], *scores[1]])}
    return row(world, f"{first[0]} against {second[0]}", "mcnemar_p", mcnemar(one, other), **known)


def _plain(score: Score) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(score).items()}
