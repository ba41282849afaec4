"""Cached experiments: a finished training or score is stored on disk, so that an interrupted benchmark can continue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from forethought.agent import Agent
from forethought.atomic_io import read_json, write_json
from forethought.config import CONFIGURATION, Configuration
from forethought.configurator import Budget
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.arena import Arena
from forethought.evaluation.result_rows import oldest_date, row, score_rows, today
from forethought.evaluation.score import Score, score_mode
from forethought.training.agent_files import AGENT, load, read_configuration
from forethought.training.record import training_record
from forethought.training.train import MakePhases, configuration_for, every_phase, train
from forethought.worlds.tasks import digest
from forethought_benchmarks.comparisons import mcnemar, paired_difference

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """A configuration of a trained agent at evaluation time.

    Fields:
        name: name in the rows. mode: Mode-1, Mode-2 or auto.
        changes: settings that differ at evaluation time; the training is the same.
    """

    name: str
    mode: Mode = "plan"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def of(self, agent: Agent) -> Agent:
        """An agent with the same weights and the changed settings."""
        return Agent(agent.configuration.changed(self.changes, f"so that it acts as {self.name}"), agent.modules, agent.device)


def trained(
    store: EpisodeStore,
    run: Path,
    seed: int,
    config: Mapping[str, Any],
    budget: Budget | None = None,
    phases: MakePhases = every_phase,
) -> Agent:
    """The agent of a run: loaded if it exists, else trained; an interrupted training continues.

    Raises:
        ForethoughtError: the run has other data or settings than this benchmark.
    """
    begun = (run / CONFIGURATION).exists()
    if begun:
        wanted = configuration_for(store, config, seed, budget)
        _same_recipe(store, run, wanted)
    if not (run / AGENT).is_dir():
        own, limits = (None, None) if begun else (config, budget)
        train(store, out=run, seed=seed, config=own, budget=limits, resume=begun, phases=phases)
    return load(run)


def _same_recipe(store: EpisodeStore, run: Path, wanted: Configuration) -> None:
    stored = read_configuration(run / CONFIGURATION)
    # A training changes its own objective where a state is found dead: its recipe is the one that it began with.
    differences = [group for group in wanted.differing(stored) if not stored.history or not group.startswith("training")]
    if training_record(run)["fingerprint"] != store.fingerprint:
        differences.append("its episodes")
    if differences:
        raise ForethoughtError(
            f"{run} holds a unit of another recipe ({', '.join(differences)} differ): choose another --out, or remove that "
            "folder."
        )


def scores_of(agent: Agent, run: Path, arena: Arena, variants: Sequence[Variant]) -> dict[str, dict[str, Any]]:
    """Score of each variant on the same tasks, cached in `RUN/scores.json`.

    A score of other tasks or of a changed variant is computed again.
    """

    def score(variant: Variant) -> dict[str, Any]:
        changed = variant.of(agent)
        return kept_score(run, arena, variant, lambda: score_mode(changed, arena, variant.mode, arena.reference()))

    return {variant.name: score(variant) for variant in variants}


def kept_score(run: Path, arena: Arena, variant: Variant, make: Callable[[], Score]) -> dict[str, Any]:
    """Score of one variant from `RUN/scores.json`; computed and stored if it is missing or of other tasks or settings."""
    path = run / "scores.json"
    scores: dict[str, dict[str, Any]] = dict(read_json(path, "scores")) if path.exists() else {}
    asked = {"mode": variant.mode, "changes": variant.changes, "tasks": digest(arena.tasks)}
    if scores.get(variant.name, {}).get("asked") != asked:
        started = time.monotonic()
        score = make()
        log.info("%s: %s %.1f %% (%.0f s)", run.name, variant.name, 100 * score.success_rate, time.monotonic() - started)
        scores[variant.name] = {"asked": asked, "date": today(), **_plain(score)}
        write_json(path, scores)
    return scores[variant.name]


def kept(path: Path, asked: Any, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A measurement cached in a file; computed and stored if it is missing or if its key `asked` (JSON) differs."""
    cached: dict[str, Any] = dict(read_json(path, "figures")) if path.exists() else {}
    if cached.get("asked") != asked:
        cached = {"asked": asked, "found": measure()}
        write_json(path, cached)
    return dict(cached["found"])


def success_rows(world: str, names: Sequence[str], runs: Sequence[Path], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """One `success_rate` and one `held_rate` row per variant, over all training seeds."""
    records = [training_record(run) for run in runs]
    run_scores = [read_json(run / "scores.json", "scores") for run in runs]
    return [line for name in names for line in score_rows(world, name, [scores[name] for scores in run_scores], records, seeds)]


def paired_row(
    world: str, first: tuple[str, Sequence[Path]], second: tuple[str, Sequence[Path]], seeds: Sequence[int]
) -> dict[str, Any]:
    """Comparison of two variants (name, one run per seed) on the same seeds and tasks, as a row.

    Several seeds give `success_difference` with an interval over seeds and tasks. One seed gives McNemar's p-value over tasks.
    """
    scores = [[read_json(run / "scores.json", "scores")[name] for run in runs] for name, runs in (first, second)]
    one, other = (np.array([score["touched"] for score in variant], dtype=np.bool_) for variant in scores)
    fields: dict[str, Any] = {"n": one.size, "seeds": list(seeds), "date": oldest_date([*scores[0], *scores[1]])}
    pair = f"{first[0]} against {second[0]}"
    if len(seeds) == 1:
        return row(world, pair, "mcnemar_p", mcnemar(one[0].tolist(), other[0].tolist()), **fields)
    difference, low, high = paired_difference(one, other)
    by_seed = (one.mean(1) - other.mean(1)).tolist()
    return row(world, pair, "success_difference", difference, low=low, high=high, by_seed=by_seed, **fields)


def _plain(score: Score) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(score).items()}
