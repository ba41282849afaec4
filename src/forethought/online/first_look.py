"""What the first, random episodes tell: the size of rewards, and whether they say at all where the reward is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forethought.cost.intrinsic import drive_energies
from forethought.readout.probes import fit_linear_probe
from forethought.types import Episode

SAME, EXPLAINED = 1e-6, 0.05
"""Rewards that differ by less are equal; a smaller share of their variance counts as unexplained."""
RIDGE = 1e-3


def reward_size(episodes: list[Episode]) -> float:
    """Root mean square of the rewards of single blocks."""
    rewards = np.concatenate([episode.rewards[1:] for episode in episodes]).astype(np.float64)
    return float(np.sqrt(np.square(rewards).mean()))


def reward_range(episodes: list[Episode]) -> tuple[float, float]:
    """The lowest and the highest reward of a block."""
    rewards = np.concatenate([episode.rewards[1:] for episode in episodes])
    return float(rewards.min()), float(rewards.max())


def drive_sizes(episodes: list[Episode], names: Sequence[str]) -> dict[str, float]:
    """Root mean square of the cost of each drive in single blocks, by name; 0 where it was not felt."""
    felt = drive_energies(names, np.concatenate([episode.drives[1:] for episode in episodes]))
    return dict(zip(names, np.sqrt(np.square(felt).mean(0)).tolist(), strict=True))


def nothing_found(episodes: list[Episode]) -> bool:
    """Whether these episodes tell nothing of what is wanted: none terminated, no drive was felt, no reward is explained.

    The rewards are fitted by the numbers of the observation before and after the block, and their squares.
    """
    if any(episode.terminated.any() or episode.drives.any() for episode in episodes):
        return False
    rewards = np.concatenate([episode.rewards[1:] for episode in episodes]).astype(np.float64)
    if rewards.std() <= SAME * max(1.0, float(np.abs(rewards).max())):
        return True
    streams = [name for name, values in episodes[0].observation.items() if values.dtype.kind == "f"]
    if not streams:
        return False
    seen = [
        np.concatenate([episode.observation[name].reshape(len(episode) + 1, -1) for name in streams], 1).astype(np.float64)
        for episode in episodes
    ]
    rows = np.concatenate([np.concatenate([values[:-1], values[1:]], 1) for values in seen])
    rows = (rows - rows.mean(0)) / np.maximum(rows.std(0), 1e-9)
    inputs, truth = np.concatenate([rows, rows**2], 1), rewards[:, None]
    even = np.arange(len(rows)) % 2 == 0
    probe = fit_linear_probe(inputs[even], truth[even], RIDGE)
    # A NaN: what is held out does not vary, so nothing explains it.
    return not bool(probe.r2(inputs[~even], truth[~even])[0] >= EXPLAINED)
