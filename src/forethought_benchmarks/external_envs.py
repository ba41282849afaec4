"""`pointmaze-medium` and `push-t`: third-party environments from pixels, by the documented commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forethought.data.collection import collect
from forethought.evaluation.arena import make_arena
from forethought.evaluation.result_rows import write_results
from forethought_benchmarks.cached_experiments import Variant, scores_of, success_rows, trained

TASKS, SEEDS = 100, (0,)
ACTING = (Variant("mode-2"), Variant("mode-1", "react"))


@dataclass(frozen=True)
class Protocol:
    """One world's benchmark.

    Fields: name: of the benchmark and its rows. world: its name. episodes: collected. config: overrides, few. policy: collects.
    """

    name: str
    world: str
    episodes: int
    config: Mapping[str, Any] = field(default_factory=dict)
    policy: str = "default"

    def run(self, out: Path, seeds: Sequence[int] | None = None) -> Path:
        """Collect once, train and test each seed, write the rows."""
        here = out / self.name
        store = collect(self.world, out=here / "store", episodes=self.episodes, policy=self.policy, workers=2, resume=True)
        arena = make_arena(self.world, store.spec.options, TASKS, store)
        chosen = tuple(seeds or SEEDS)
        folders = [here / f"seed-{seed}" for seed in chosen]
        for seed, folder in zip(chosen, folders, strict=True):
            scores_of(trained(store, folder, seed, self.config), folder, arena, ACTING)
        return write_results(out, self.name, success_rows(self.name, [v.name for v in ACTING], folders, chosen))


POINTMAZE = Protocol("pointmaze-medium", "ogbench/pointmaze-medium-v0", 200, {"training.world_model_steps": 400})
PUSH_T = Protocol("push-t", "gym_pusht/PushT-v0", 300, policy="exploring")
