"""`rooms-fixed-doors`: two rooms, where the configurator chooses one level. Would a second one hurt?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forethought.bench.evaluation import make_arena
from forethought.bench.units import Variant, scores_of, success_rows, trained
from forethought.data.collection import collect
from forethought.learning.agent_files import load
from forethought.learning.grow import grow

NAME, WORLD, EPISODES, TASKS = "rooms-fixed-doors", "forethought/Rooms-v0", 2000, 100
OPTIONS: Mapping[str, Any] = {"doors": "fixed", "max_steps": 150}
EFFORT: Mapping[str, Any] = {"candidates": 100, "iterations": 3}
DEEPER: Mapping[str, Any] = {"levels": 2, "top": "learned", "stride": 4}


def rows(out: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The first seed: the depth that the configurator chose (`flat`), and one level more on the same level 1."""
    store = collect(WORLD, out=out / "store", episodes=EPISODES, options=OPTIONS, workers=0, resume=True)
    arena = make_arena(WORLD, OPTIONS, TASKS)
    flat, deep = out / f"seed-{seeds[0]}", out / f"seed-{seeds[0]}-levels-2"
    chosen = trained(store, flat, seeds[0], {})
    assert chosen.configuration.hierarchy.levels == 1, "two rooms need no more"
    scores_of(load(flat), flat, arena, (Variant("flat", changes={"actor": EFFORT}), Variant("flat-mode-1", "react")))
    above = (Variant("levels-2", changes={"actor": EFFORT}), Variant("levels-2-mode-1", "react"))
    scores_of(grow(flat, store, deep, DEEPER), deep, arena, above)
    found = success_rows(NAME, ["flat", "flat-mode-1"], [flat], seeds[:1])
    return found + success_rows(NAME, ["levels-2", "levels-2-mode-1"], [deep], seeds[:1])
