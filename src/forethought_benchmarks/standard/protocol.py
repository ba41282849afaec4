"""`forethought bench standard`: success on the field's tasks, the same by Mode-1 and auto, and the gate of each world.

Peers' protocol: the goal is what a held-out episode showed 25 steps later, the budget is 50 steps, and the first hit counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from forethought.data.collection import collect
from forethought.evaluation.arena import make_arena
from forethought.evaluation.result_rows import row, write_results
from forethought_benchmarks.cached_experiments import Variant, kept, scores_of, success_rows, trained
from forethought_benchmarks.standard.pose_probe import floor_errors, pose_errors

NAME = "standard"
WORLD, GYMNASIUM_ID = "push-t", "gym_pusht/PushT-v0"
OPTIONS: Mapping[str, Any] = {"reach": 100.0, "max_steps": 125}
"""The peers' reach of an action, in pixels of the board, and length of an episode."""
EPISODES, TASKS, SEEDS = 10_000, 100, (0, 1, 2)
AGENTS = (Variant("plan"), Variant("react", "react"), Variant("auto", "auto"))


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Collect once, train and test each seed by the configurator's choice, and write the rows; finished units are not rerun."""
    here, chosen = out / NAME / WORLD, tuple(seeds or SEEDS)
    store = collect(GYMNASIUM_ID, out=here / "store", episodes=EPISODES, options=OPTIONS, workers=2, resume=True)
    arena = make_arena(GYMNASIUM_ID, store.spec.options, TASKS, store)
    folders = [here / f"seed-{seed}" for seed in chosen]
    poses: dict[str, list[Mapping[str, float]]] = {"plan": [], "untrained": []}
    for seed, folder in zip(chosen, folders, strict=True):
        agent = trained(store, folder, seed, {})
        scores_of(agent, folder, arena, AGENTS)
        poses["plan"].append(kept(folder / "pose.json", "trained", partial(pose_errors, agent, store)))
        poses["untrained"].append(kept(folder / "floor.json", "untrained", partial(floor_errors, agent, store)))
    rows = success_rows(WORLD, [variant.name for variant in AGENTS], folders, chosen)
    return write_results(out, NAME, [*rows, *_pose_rows(poses, chosen)])


def _pose_rows(poses: Mapping[str, Sequence[Mapping[str, float]]], seeds: Sequence[int]) -> list[dict[str, Any]]:
    return [
        row(WORLD, agent, metric, fmean(by_seed), by_seed=by_seed, seeds=list(seeds), n=len(seeds))
        for agent, errors in poses.items()
        for metric in errors[0]
        for by_seed in [[error[metric] for error in errors]]
    ]
