"""OGBench's large and giant mazes (2410.20092), from state and from pixels, by its own five tasks.

The weights of level 1 are the same in all arms of a training seed: above it stands a graph of landmarks, or learned levels, or,
in the flat agent, nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forethought.data.collection import collect
from forethought.evaluation.arena import make_arena
from forethought.training.agent_files import load
from forethought.types import PIXELS, PROPRIOCEPTION
from forethought.worlds.pointmaze import standard_tasks
from forethought_benchmarks.cached_experiments import paired_row, scores_of, success_rows, trained
from forethought_benchmarks.oracle_subgoals import LED, score_led
from forethought_benchmarks.variants import FLAT, both_modes, compare_depths, depth_rows, grown, names_of

TASKS, TASK_SEED = 100, 2026
AGENTS = (*both_modes("graph-top"), *both_modes("flat", FLAT))
GRAPH: Mapping[str, Any] = {"model.hierarchy.levels": 2, "model.hierarchy.kind": "graph", "model.hierarchy.stride": 5}


@dataclass(frozen=True)
class MazeBenchmark:
    """One world.

    Fields: name: in rows. world: its name. episodes, steps: what is collected. learned: levels as the configurator chooses them
    where it is not asked for a graph. stream: what is sensed.
    """

    name: str
    world: str
    episodes: int
    steps: int
    learned: Mapping[str, Any]
    stream: str = PROPRIOCEPTION

    def rows(self, out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
        """Collect once, train and test each seed; learned levels, and subgoals from elsewhere, on the first of them."""
        options = {"streams": [self.stream], "max_steps": self.steps}
        store = collect(self.world, out=out / "store", episodes=self.episodes, options=options, workers=2, resume=True)
        arena = make_arena(self.world, store.spec.options, standard_tasks(self.world, options, TASKS, TASK_SEED), store)
        folders = [out / f"seed-{seed}" for seed in seeds]
        for seed, folder in zip(seeds, folders, strict=True):
            scores_of(trained(store, folder, seed, GRAPH), folder, arena, AGENTS)
        name = f"levels-{self.learned['levels']}"
        deeper, first, learned = {name: self.learned}, folders[0], grown(folders[0], name)
        compare_depths(first, store, arena, deeper)
        score_led(load(learned), learned, arena, seeds[0])
        found = success_rows(self.name, names_of(AGENTS), folders, seeds) + depth_rows(self.name, [first], seeds[:1], deeper)
        found += success_rows(self.name, LED, [learned], seeds[:1])
        for end in ("", "-mode-1"):
            found.append(paired_row(self.name, (f"graph-top{end}", folders), (f"flat{end}", folders), seeds))
        for theirs, run in (("flat", first), (LED[0], learned)):
            found.append(paired_row(self.name, (name, [learned]), (theirs, [run]), seeds[:1]))
        return found


LARGE: Mapping[str, Any] = {"levels": 3, "kind": "learned", "stride": 5, "retrieval_size": 16384}
GIANT: Mapping[str, Any] = {"levels": 4, "kind": "learned", "stride": 4, "retrieval_size": 16384}
MAZES = (
    MazeBenchmark("pointmaze-large", "ogbench/pointmaze-large-v0", 250, 1000, LARGE),
    MazeBenchmark("pointmaze-large-pixels", "ogbench/pointmaze-large-v0", 250, 1000, LARGE, PIXELS),
    MazeBenchmark("pointmaze-giant", "ogbench/pointmaze-giant-v0", 200, 2000, GIANT),
    MazeBenchmark("pointmaze-giant-pixels", "ogbench/pointmaze-giant-v0", 200, 2000, GIANT, PIXELS),
)
