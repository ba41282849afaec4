"""`forethought bench standard`: success on the field's tasks, the same by Mode-1 and auto, and the gate of each world.

`peers`: the goal is what a held-out episode showed some steps later (the offset), the budget is twice as long, and the first
hit counts. `strict`: the block alone within 10 px and 10 degrees, no task that starts so, and `held_rate` is the figure: at
the goal when the budget ends (thresholds of CLEAR; ours holds to the end, theirs for 3 steps).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from forethought.agent import Agent
from forethought.atomic_io import make_folder, read_json
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.result_rows import row, score_rows, write_results
from forethought.evaluation.score import Score, score_mode
from forethought.evaluation.task_choice import EVALUATION_SEED
from forethought.training.record import training_record
from forethought.worlds.goals import tasks_from_episodes
from forethought_benchmarks.cached_experiments import Variant, kept, kept_score, scores_of, trained
from forethought_benchmarks.standard.ceilings import with_pose_cost
from forethought_benchmarks.standard.pose_probe import floor_errors, pose_errors

NAME = "standard"
WORLD, GYMNASIUM_ID = "push-t", "gym_pusht/PushT-v0"
OPTIONS: Mapping[str, Any] = {"reach": 100.0, "max_steps": 125}
"""The peers' reach of an action, in pixels of the board, and length of an episode."""
POLICY, EPISODES, TASKS, SEEDS = "demonstrator", 10_000, 100, (0, 1, 2)
AGENTS = (Variant("plan"), Variant("react", "react"), Variant("auto", "auto"))


@dataclass(frozen=True)
class GoalProtocol:
    """How an agent is tested.

    Fields:
        name: `peers` or `strict`. offset: steps from start to goal in the recording. success: the world's success test.
        agents: the modes that are tested.
    """

    name: str
    offset: int
    success: str
    agents: Sequence[Variant]

    def arena(self, store: EpisodeStore) -> Arena:
        """The world and the tasks, the same at each call."""
        options = {**store.spec.options, "success": self.success}
        tasks = tasks_from_episodes(store, TASKS, EVALUATION_SEED, self.offset // store.block, options=options)
        return make_arena(GYMNASIUM_ID, options, tasks, store)

    def folder(self, run: Path) -> Path:
        """Where the scores of a run are kept."""
        return run / f"{self.name}-{self.offset}"


PROTOCOLS = (
    GoalProtocol("peers", 25, "state", AGENTS),
    GoalProtocol("strict", 25, "block", AGENTS),
    *(GoalProtocol("peers", offset, "state", AGENTS[:1]) for offset in (50, 75)),
)


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Collect once, train and test each seed by the configurator's choice, and write the rows; finished units are not rerun."""
    here, chosen = out / NAME / WORLD, tuple(seeds or SEEDS)
    store = collect(GYMNASIUM_ID, out=here / "store", episodes=EPISODES, policy=POLICY, options=OPTIONS, workers=2, resume=True)
    arenas = [protocol.arena(store) for protocol in PROTOCOLS]
    folders = [here / f"seed-{seed}" for seed in chosen]
    poses: dict[str, list[Mapping[str, float]]] = {"plan": [], "untrained": []}
    for seed, folder in zip(chosen, folders, strict=True):
        agent = trained(store, folder, seed, {})
        poses["plan"].append(kept(folder / "pose.json", "trained", partial(pose_errors, agent, store)))
        poses["untrained"].append(kept(folder / "floor.json", "untrained", partial(floor_errors, agent, store)))
        for protocol, arena in zip(PROTOCOLS, arenas, strict=True):
            _score(agent, protocol, arena, folder)
        _score_probe_cost(agent, store, arenas[0], PROTOCOLS[0].folder(folder))
    rows = [line for protocol in PROTOCOLS for line in _success_rows(protocol, folders, chosen)]
    ceiling = _rows_of(PROTOCOLS[0], "probe-cost", folders, chosen)
    return write_results(out, NAME, [*rows, *ceiling, *_pose_rows(poses, chosen)])


def _score_probe_cost(agent: Agent, store: EpisodeStore, arena: Arena, folder: Path) -> None:
    """Ceiling: what the agent's model and search reach with a cost that reads the pose."""

    def score() -> Score:
        return score_mode(with_pose_cost(agent, store), arena, "plan", arena.reference())

    kept_score(folder, arena, Variant("probe-cost"), score)


def _score(agent: Agent, protocol: GoalProtocol, arena: Arena, folder: Path) -> None:
    make_folder(protocol.folder(folder))
    scores_of(agent, protocol.folder(folder), arena, protocol.agents)


def _success_rows(protocol: GoalProtocol, folders: Sequence[Path], seeds: Sequence[int]) -> list[dict[str, Any]]:
    return [line for variant in protocol.agents for line in _rows_of(protocol, variant.name, folders, seeds)]


def _rows_of(protocol: GoalProtocol, agent: str, folders: Sequence[Path], seeds: Sequence[int]) -> list[dict[str, Any]]:
    records = [training_record(folder) for folder in folders]
    scores = [read_json(protocol.folder(folder) / "scores.json", "scores")[agent] for folder in folders]
    where = {"protocol": protocol.name, "offset": protocol.offset}
    return [line | where for line in score_rows(WORLD, agent, scores, records, seeds)]


def _pose_rows(poses: Mapping[str, Sequence[Mapping[str, float]]], seeds: Sequence[int]) -> list[dict[str, Any]]:
    return [
        row(WORLD, agent, metric, fmean(by_seed), by_seed=by_seed, seeds=list(seeds), n=len(seeds))
        for agent, errors in poses.items()
        for metric in errors[0]
        for by_seed in [[error[metric] for error in errors]]
    ]
