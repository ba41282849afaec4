"""`rooms-fixed-doors`: two rooms, where the configurator chooses one level. Would a second one hurt?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forethought.bench.arms import both_modes, compare_depths, depth_rows, names_of
from forethought.bench.evaluation import make_arena
from forethought.bench.units import scores_of, success_rows, trained
from forethought.data.collection import collect

NAME, WORLD, EPISODES, TASKS = "rooms-fixed-doors", "forethought/Rooms-v0", 2000, 100
OPTIONS: Mapping[str, Any] = {"doors": "fixed", "max_steps": 150}
DEEPER: Mapping[str, Mapping[str, Any]] = {"levels-2": {"levels": 2, "top": "learned", "stride": 4}}


def rows(out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The first seed: the depth that the configurator chose (`flat`), and one level more on the same level 1."""
    store = collect(WORLD, out=out / "store", episodes=EPISODES, options=OPTIONS, workers=0, resume=True)
    arena = make_arena(WORLD, OPTIONS, TASKS)
    flat = out / f"seed-{seeds[0]}"
    chosen = trained(store, flat, seeds[0], {})
    assert chosen.configuration.hierarchy.levels == 1, "two rooms need no more"
    scores_of(chosen, flat, arena, both_modes("flat"))
    compare_depths(flat, store, arena, DEEPER)
    return success_rows(NAME, names_of(both_modes("flat")), [flat], seeds[:1]) + depth_rows(NAME, [flat], seeds[:1], DEEPER)
