"""Blocks of several steps: how fast the world changes, and an episode of single steps in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forethought.data.observation_features import flat_numbers
from forethought.data.store import EpisodeStore
from forethought.types import Episode, WorldSpec

SAME = 1e-6
"""A number whose spread is smaller than this share of its size does not change."""


def change_in_a_step(episodes: Sequence[Episode], spec: WorldSpec) -> float:
    """How far the observation moves in one step of these episodes, as a share of its spread over all of them.

    The median over its numbers that change, or over the low frequencies of its pictures; 0 where nothing changes.
    """
    shares = list[float]()
    for stream in spec.streams:
        if stream.kind == "text":
            continue
        rows = [flat_numbers(stream, episode.observation[stream.name]) for episode in episodes]
        values, steps = np.concatenate(rows), np.concatenate([np.diff(each, axis=0) for each in rows])
        spread = values.std(0)
        changing = spread > SAME * np.maximum(np.abs(values).max(0), SAME)
        shares.extend((np.sqrt(np.square(steps[:, changing]).mean(0)) / spread[changing]).tolist())
    return float(np.median(shares)) if shares else 0.0


def in_blocks(episode: Episode, block: int) -> Episode:
    """An episode of single steps, in blocks of `block` steps; the observations within a block are left out."""
    length = len(episode)
    first = np.arange(0, length, block)
    rows = np.append(first, length)
    padded = np.zeros((len(first) * block, episode.actions.shape[1]), np.float32)
    padded[:length] = episode.actions

    def summed(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([values[:1], np.add.reduceat(values[1:], first, axis=0)]).astype(np.float32)

    return replace(
        episode,
        observation={name: values[rows] for name, values in episode.observation.items()},
        actions=padded.reshape(len(first), -1),
        truth={name: values[rows] for name, values in episode.truth.items()},
        drives=summed(episode.drives),
        rewards=summed(episode.rewards),
        terminated=episode.terminated[rows],
        truncated=episode.truncated[rows],
        steps=np.diff(rows).astype(np.int32),
    )


def repeats_actions(store: EpisodeStore) -> bool:
    """Whether each block of a store repeats one action over its executed steps."""
    rows = np.arange(store.num_rows)
    steps = store.rows("actions", rows).reshape(len(rows), store.block, -1)
    executed = np.arange(store.block) < store.rows("steps", rows)[:, None]
    return bool((steps == steps[:, :1])[executed].all())
