"""`forethought bench standard`: success on the field's tasks, the same by Mode-1 and auto, and the gate of each world.

`peers`: the goal is what a held-out episode showed some steps later (the offset), the budget is twice as long, and the first
hit counts. `strict`: the thresholds of CLEAR-LeWM (`standard.worlds`), in two rooms only tasks that cross the wall, and
`held_rate` is the figure: at the goal when the budget ends (theirs holds for up to 3 steps). No task starts solved in either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from forethought.agent import Agent
from forethought.atomic_io import make_folder, read_json
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.arena import Arena
from forethought.evaluation.result_rows import row, score_rows, write_results
from forethought.evaluation.score import Score, score_mode
from forethought.execution import Executor
from forethought.training.record import training_record
from forethought_benchmarks.cached_experiments import Variant, kept, kept_score, scores_of, trained
from forethought_benchmarks.selection import require_known
from forethought_benchmarks.standard.pose_probe import untrained
from forethought_benchmarks.standard.worlds import WORLDS, GoalProtocol, StandardWorld

NAME, SEEDS = "standard", (0, 1, 2)
Gates = Mapping[str, Sequence[Mapping[str, float]]]
"""Agent (`plan`, `untrained`) -> errors of the probe, by seed."""


def run(
    out: Path,
    seeds: Sequence[int] | None = None,
    worlds: Sequence[str] = (),
    agents: Sequence[str] = (),
    executor: Executor | None = None,
) -> Path:
    """Collect once, train and test each seed, and write the rows; finished units are not rerun.

    Args:
        out: folder; the units are in `OUT/standard/WORLD`, and the rows of other worlds in its result file stay.
        seeds: of the trainings; None: three. worlds: names in `WORLDS`; none: all. agents: none; all modes are tested.
        executor: where the tasks run; None: in this process.

    Raises:
        ForethoughtError: there is no such world, or agents are named.
    """
    require_known(NAME, "world", worlds, WORLDS)
    if agents:
        raise ForethoughtError(f"The benchmark '{NAME}' tests all modes: leave out --agents.")
    chosen, path = worlds or tuple(WORLDS), out / f"{NAME}.json"
    for name in chosen:
        rows = _rows_of_world(WORLDS[name], out / NAME / name, tuple(seeds or SEEDS), executor)
        others = read_json(path, "rows")["rows"] if path.exists() else []
        order = list(WORLDS)
        rows = sorted([*(line for line in others if line["world"] != name), *rows], key=lambda line: order.index(line["world"]))
        path = write_results(out, NAME, rows)
    return path


def _rows_of_world(world: StandardWorld, here: Path, seeds: Sequence[int], executor: Executor | None) -> list[dict[str, Any]]:
    """Collect, train and test in one world."""
    recipe: dict[str, Any] = {"episodes": world.episodes, "policy": world.policy, "options": world.options}
    store = collect(world.gymnasium_id, out=here / "store", workers=2, resume=True, **recipe)
    arenas = [protocol.arena(store, executor) for protocol in world.protocols]
    folders = [here / f"seed-{seed}" for seed in seeds]
    gates: dict[str, list[Mapping[str, float]]] = {"plan": [], "untrained": []}
    for seed, folder in zip(seeds, folders, strict=True):
        agent = trained(store, folder, seed, {})
        gates["plan"].append(kept(folder / "pose.json", "trained", partial(world.gate, agent, store)))
        gates["untrained"].append(kept(folder / "floor.json", "untrained", partial(_gate_untrained, world, agent, store)))
        for protocol, arena in zip(world.protocols, arenas, strict=True):
            make_folder(protocol.folder(folder))
            scores_of(agent, protocol.folder(folder), arena, protocol.agents)
        _score_ceiling(world, agent, store, arenas[0], folder)
    rows = [
        line
        for protocol in world.protocols
        for variant in protocol.agents
        for line in _rows_of(world, protocol, variant.name, folders, seeds)
    ]
    ceiling = _rows_of(world, world.protocols[0], world.ceiling[0], folders, seeds) if world.ceiling else []
    return [*rows, *ceiling, *_gate_rows(world, gates, seeds)]


def _gate_untrained(world: StandardWorld, agent: Agent, store: EpisodeStore) -> dict[str, float]:
    return world.gate(untrained(agent, store), store)


def _score_ceiling(world: StandardWorld, agent: Agent, store: EpisodeStore, arena: Arena, folder: Path) -> None:
    """What the agent's model and search reach with a cost that reads the truth."""
    if world.ceiling is None:
        return
    name, of_truth = world.ceiling

    def score() -> Score:
        return score_mode(of_truth(agent, store), arena, "plan", arena.reference())

    kept_score(world.protocols[0].folder(folder), arena, Variant(name), score)


def _rows_of(
    world: StandardWorld, protocol: GoalProtocol, agent: str, folders: Sequence[Path], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    records = [training_record(folder) for folder in folders]
    scores = [read_json(protocol.folder(folder) / "scores.json", "scores")[agent] for folder in folders]
    where = {"protocol": protocol.name, "offset": protocol.offset}
    return [line | where for line in score_rows(world.name, agent, scores, records, seeds)]


def _gate_rows(world: StandardWorld, gates: Gates, seeds: Sequence[int]) -> list[dict[str, Any]]:
    return [
        row(world.name, agent, metric, fmean(by_seed), by_seed=by_seed, seeds=list(seeds), n=len(seeds))
        for agent, errors in gates.items()
        for metric in errors[0]
        for by_seed in [[error[metric] for error in errors]]
    ]
