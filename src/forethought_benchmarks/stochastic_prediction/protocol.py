"""The protocol of `futures`: collection, training, metrics, evaluation and rows.

In each world all agents of a training seed have the same encoder, critic and policy weights. Only the predictor differs.
Level 2 has rows of its own (`levels.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from forethought.agent import Agent
from forethought.atomic_io import read_json
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.episodes import ScriptedController
from forethought.evaluation.result_rows import day_of, oldest_date, row, write_results
from forethought.evaluation.statistics import wilson
from forethought.training.agent_files import load
from forethought.training.retrain import retrain_hierarchy, retrain_predictor
from forethought.worlds import registry
from forethought_benchmarks.cached_experiments import Variant, kept, scores_of, success_rows, trained
from forethought_benchmarks.comparisons import mean_interval
from forethought_benchmarks.energy import METRICS, WINDOWS, auroc_of_futures, heldout
from forethought_benchmarks.stochastic_prediction.branches import settled, shortened
from forethought_benchmarks.stochastic_prediction.imagining import branching_figures, futures, leakage, settled_figures
from forethought_benchmarks.stochastic_prediction.levels import HIERARCHY, SUFFIX, level_figures
from forethought_benchmarks.stochastic_prediction.stochastic_envs import DETERMINISTIC, OTHERS, PLACES, WISER, Place, moments
from forethought_benchmarks.variants import EFFORT

NAME, SEEDS = "futures", (0, 1, 2)
TASKS, TASK_SEED, MOMENTS = 100, 2026, 200
FIGURES, MEANING = "futures.json", 3
"""File of a run's metrics, and their version: raise it when the definition of a metric changes."""
LEARNING: Mapping[str, Any] = {"model.latent.num_codes": 4, "training.distillation_plans": 512}
BASE = "codes-4"
CAUTION: Mapping[str, Any] = {"planner.risk.measure": "cvar", "planner.risk.cvar_level": 0.75, **EFFORT}


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Collect once, train and test each seed in each installed environment, write the rows. Finished units are cached."""
    chosen = tuple(seeds or SEEDS)
    places = [place for place in PLACES if place.is_here()]
    return write_results(out, NAME, [line for place in places for line in rows(place, out / NAME / place.name, chosen)])


def rows(place: Place, out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of one environment: metrics of prediction, and success by agent."""
    store = collect(place.world, out=out / "store", episodes=place.episodes, options=place.options, workers=0, resume=True)
    bases = [out / f"seed-{seed}" for seed in seeds]
    for seed, base in zip(seeds, bases, strict=True):
        _unit(place, store, base, seed)
    found = []
    alone, above = ((name, "") for name in (BASE, *place.others)), ((name, SUFFIX) for name in imagining_above(place))
    for agent, suffix in (*alone, *above):
        folders = [_folder(base, agent + suffix) for base in bases]
        found += _figure_rows(place, agent + suffix, folders, seeds)
        names = [variant.name for variant in variants(place, agent, suffix)]
        found += success_rows(place.name, names, folders, seeds) if names else []
        found += [line for name in names for line in _quickness(place, name, folders, seeds)]
    return found + _scripted_rows(place, store)


def imagining_above(place: Place) -> tuple[str, ...]:
    """Agents that get a level 2. Where goals show some streams only, it predicts but does not plan."""
    alone = tuple(agent for agent in (BASE, *place.others) if agent in (BASE, DETERMINISTIC))
    return (*alone, WISER) if place.above and DETERMINISTIC in alone else alone


def variants(place: Place, agent: str, suffix: str = "") -> tuple[Variant, ...]:
    """How each agent acts: the mean predictor in its one future, the codes in eight, weighed by their mean and by CVaR.

    `suffix`: of its level 2, with which it acts where ways are long only.
    """
    if suffix and not place.above:
        return ()
    if agent in (DETERMINISTIC, WISER):
        return (Variant(agent + suffix, changes={"planner.risk.num_scenarios": 1, **EFFORT}),)
    if agent != BASE:
        return ()
    careful = (Variant(f"{agent}-cvar{suffix}", changes=CAUTION),) if place.careful else ()
    return (Variant(agent + suffix, changes=EFFORT), *careful)


def _latent(kind: str) -> dict[str, Any]:
    """Settings of another kind of latent variable above the same encoder; without one there is one future."""
    return {"model.latent.kind": kind} | ({"planner.risk.num_scenarios": 1} if kind == "none" else {})


def _unit(place: Place, store: EpisodeStore, base: Path, seed: int) -> None:
    """Train and measure all agents of a seed."""
    trained(store, base, seed, LEARNING)
    for name in place.others:
        retrain_predictor(base, store, _folder(base, name), _latent(OTHERS[name]))
    block = load(base).configuration.data.block
    arena = _arena(place, store)
    for name in (BASE, *place.others):
        folder = _folder(base, name)
        agent = load(folder)
        kept(folder / FIGURES, MEANING, partial(_figures, place, agent, store, block))
        scores_of(agent, folder, arena, variants(place, name))
    for name in imagining_above(place):
        folder, wiser = _folder(base, name + SUFFIX), base if name == WISER else None
        agent = retrain_hierarchy(_folder(base, DETERMINISTIC if wiser else name), store, folder, HIERARCHY, wiser)
        kept(folder / FIGURES, MEANING, partial(_level_figures, place, agent, store, block))
        scores_of(agent, folder, arena, variants(place, name, SUFFIX))


def _scripted_rows(place: Place, store: EpisodeStore) -> list[dict[str, Any]]:
    """Success rates of scripted policies, `scripted-NAME`: they learn nothing and read the true state."""
    if not place.scripted:
        return []
    found, arena = [], _arena(place, store)
    floor, ceiling = arena.reference()
    for name in place.scripted:
        touched = arena.run(ScriptedController(registry.policy(place.world, name))).touched
        low, high = wilson(int(touched.sum()), len(touched))
        known = {"low": low, "high": high, "n": len(touched), "floor": floor, "ceiling": ceiling}
        found.append(row(place.name, f"scripted-{name}", "success_rate", float(touched.mean()), **known))
    return found


def _arena(place: Place, store: EpisodeStore) -> Arena:
    """The frozen tasks of the environment."""
    return make_arena(place.world, store.spec.options, place.tasks(place.world, place.options, TASKS, TASK_SEED))


def _level_figures(place: Place, agent: Agent, store: EpisodeStore, block: int) -> dict[str, dict[str, float]]:
    return {place.name + SUFFIX: level_figures(agent, store, moments(place, MOMENTS, block), place.decided)}


def _figures(place: Place, agent: Agent, store: EpisodeStore, block: int) -> dict[str, dict[str, float]]:
    branches, data = moments(place, MOMENTS, block), heldout(agent, store)
    certain = shortened(settled(branches, place.decided), max(1, place.decided // 2))
    return {
        place.name: {
            **branching_figures(futures(agent, branches), branches.chances, place.decided),
            **leakage(agent, store),
            **{metric: auroc_of_futures(agent, data, horizon) for metric, horizon in METRICS.items()},
        },
        f"{place.name}-settled": settled_figures(futures(agent, certain)),
    }


def _folder(base: Path, agent: str) -> Path:
    return base if agent == BASE else Path(f"{base}-{agent}")


def _quickness(place: Place, agent: str, folders: Sequence[Path], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Mean steps to the goal over the successes of each seed with any; n is the number of successes."""
    every = [read_json(folder / "scores.json", "scores")[agent] for folder in folders]
    steps = [score["steps_to_goal"] for score in every if score["steps_to_goal"] is not None]
    count = sum(sum(score["touched"]) for score in every)
    if not steps:
        return []
    mean, low, high = mean_interval(steps)
    known = {"low": low, "high": high, "n": count, "seeds": list(seeds), "by_seed": steps, "date": oldest_date(every)}
    return [row(place.name, agent, "steps_to_goal", mean, **known)]


def _figure_rows(place: Place, agent: str, folders: Sequence[Path], seeds: Sequence[int]) -> list[dict[str, Any]]:
    paths = [folder / FIGURES for folder in folders]
    every, found = [read_json(path, "figures")["found"] for path in paths], []
    for world in every[0]:
        for metric in every[0][world]:
            by_seed = [figures[world][metric] for figures in every]
            mean, low, high = mean_interval(by_seed)
            # An energy is of windows of held-out episodes, all else of moments that may go several ways.
            counted = {"n": WINDOWS * len(seeds), "floor": 0.5} if metric in METRICS else {"n": MOMENTS * len(seeds)}
            known = {"low": low, "high": high, "seeds": list(seeds), "by_seed": by_seed, "date": day_of(*paths), **counted}
            found.append(row(world, agent, metric, mean, **known))
    return found
