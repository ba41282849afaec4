"""`rooms-fixed-doors` and `push-t`: short-horizon tasks; the configurator's number of levels against other numbers.

The configurator chooses one level in two rooms, and two levels for Push-T's longer episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forethought.data.collection import collect
from forethought.evaluation.arena import make_arena
from forethought_benchmarks.cached_experiments import Variant, scores_of, success_rows, trained
from forethought_benchmarks.external_envs import PUSH_T
from forethought_benchmarks.variants import FLAT, both_modes, compare_depths, depth_rows, names_of

TASKS = 100


@dataclass(frozen=True)
class ShortWay:
    """A benchmark in one environment.

    Fields: name: name in the rows. world: name of the environment. episodes: number of collected episodes. chosen: number of
    levels that the configurator chooses. others: alternative hierarchies above the same level 1. options: of the environment.
    policy: collects the episodes.
    """

    name: str
    world: str
    episodes: int
    chosen: int
    others: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    policy: str = "default"

    @property
    def arms(self) -> tuple[Variant, ...]:
        """Variants of the weights trained at the chosen depth: with all levels, and with level 1 only."""
        if self.chosen == 1:
            return both_modes("flat")
        return both_modes(f"levels-{self.chosen}") + both_modes("flat", FLAT)

    def rows(self, out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
        """Rows of the chosen depth for each seed, and of the other depths above the first seed's level 1."""
        store = collect(
            self.world,
            out=out / "store",
            episodes=self.episodes,
            policy=self.policy,
            options=self.options,
            workers=2,
            resume=True,
        )  # fmt: skip
        arena = make_arena(self.world, store.spec.options, TASKS, store)
        bases = [out / f"seed-{seed}" for seed in seeds]
        for seed, base in zip(seeds, bases, strict=True):
            agent = trained(store, base, seed, {})
            assert agent.configuration.model.hierarchy.levels == self.chosen, "what these rows are about"
            scores_of(agent, base, arena, self.arms)
        compare_depths(bases[0], store, arena, self.others)
        found = success_rows(self.name, names_of(self.arms), bases, seeds)
        return found + depth_rows(self.name, bases[:1], seeds[:1], self.others)


TWO_ROOMS = ShortWay(
    "rooms-fixed-doors", "forethought/Rooms-v0", 2000, 1, {"levels-2": {"levels": 2, "kind": "learned", "stride": 4}},
    {"doors": "fixed", "max_steps": 150},
)  # fmt: skip
WAYS = (
    TWO_ROOMS,
    ShortWay(PUSH_T.name, PUSH_T.world, PUSH_T.episodes, 2, {"levels-3": {"levels": 3, "stride": 3}}, policy=PUSH_T.policy),
)
