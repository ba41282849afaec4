"""A store on which the configurator's first objective collapses: most of what is seen is constant within an episode."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

import tiny
from forethought.data import EpisodeStore, StoreWriter
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec

NUMBERS = 60
CONFIG = {name: value for name, value in tiny.SMALL.items() if not name.startswith("training.loss.")} | {
    "training.world_model_steps": 100, "training.checkpoint_every": 20,
}  # fmt: skip


def patterned_episode(seed: int) -> Episode:
    """A point in a square (`tiny.point_episode`), beside numbers that differ from episode to episode only."""
    episode = tiny.point_episode(seed, 9, discrete=False)
    pattern = np.random.default_rng(1000 + seed).normal(size=NUMBERS).astype(np.float32)
    pattern = np.broadcast_to(pattern, (10, NUMBERS)).copy()
    return replace(episode, observation={"pattern": pattern, "point": episode.observation["proprioception"]})


@cache
def patterned_store() -> EpisodeStore:
    """80 such episodes of 9 blocks."""
    streams = (StreamSpec("pattern", (NUMBERS,), "float32"), StreamSpec("point", (4,), "float32"))
    action = ActionSpace("continuous", 2, (-1.0, 0.0), (1.0, 2.0))
    spec = WorldSpec("toy", {}, streams, action, 20, 2, {"position": 2}, ("pain",))
    writer = StoreWriter(tiny.folder() / "patterned", spec, 2, {})
    writer.append([patterned_episode(seed) for seed in range(80)])
    return writer.finalise()
