"""What the configurator wants to know of a store before it chooses: scales, lengths, how fast the world moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.types import PIXELS, PROPRIOCEPTION

SAMPLE = 512


@dataclass(frozen=True)
class StoreStatistics:
    """Figures of the training episodes, from a fixed sample of rows (the same for the same store).

    Fields:
        episodes, rows: how many are in the store, held-out ones included.
        length_min, length_median, length_max: episode length in blocks.
        stream_mean, stream_std: stream -> per channel (pixels, 0..255) or per value.
        action_mean, action_std: per dimension of one environment step, in its units.
        still: fraction of blocks that change nothing in the observation (pixels where there are any), 0..1.
        changed: fraction of the observation's pixels (or values) that one block changes, 0..1.
        displacement: how far what moves goes in one block. Pixels: twice the spread of the pixels that change, in frame
            widths (a dot that jumps by d changes pixels at both places). Proprioception: root mean square step in
            standard deviations. 0 where nothing moves.
        mixing: how far one block moves the observation against how far apart two moments of an episode are, root mean
            square; near 0: slow; 1 or more: as far apart as any two moments (also for small things that leave their
            pixels at once).
        between_episodes: share of the observation's variance that tells episodes apart (layout, doors) rather than
            moments of one episode, 0..1.
    """

    episodes: int
    rows: int
    length_min: int
    length_median: float
    length_max: int
    stream_mean: Mapping[str, tuple[float, ...]]
    stream_std: Mapping[str, tuple[float, ...]]
    action_mean: tuple[float, ...]
    action_std: tuple[float, ...]
    still: float
    changed: float
    displacement: float
    mixing: float
    between_episodes: float


@dataclass(frozen=True)
class Sample:
    """M moments of the training episodes: one row, the row after it, another row of the same episode, and the action.

    Fields: `now`, `after`, `other`: stream -> [M, ...]; `actions`: float32 [M, A].
    """

    now: Mapping[str, NDArray[Any]]
    after: Mapping[str, NDArray[Any]]
    other: Mapping[str, NDArray[Any]]
    actions: NDArray[np.float32]


def moments(values: NDArray[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation over all but the last axis."""
    flat = values.reshape(-1, values.shape[-1])
    if values.dtype == np.uint8:
        shades = np.arange(256.0)
        counts = np.stack([np.bincount(channel, minlength=256) for channel in flat.T]) / len(flat)
        mean = counts @ shades
        std = np.sqrt((counts * np.square(shades - mean[:, None])).sum(axis=1))
        return tuple(mean.tolist()), tuple(std.tolist())
    mean, std = flat.mean(axis=0, dtype=np.float64), flat.std(axis=0, dtype=np.float64)
    return tuple(mean.tolist()), tuple(std.tolist())


def movement(sample: Sample) -> dict[str, float]:
    """`still`, `changed`, `displacement`, `mixing` and `between_episodes`; see `StoreStatistics`."""
    stream = PIXELS if PIXELS in sample.now else PROPRIOCEPTION
    count = len(sample.actions)
    now, after, other = (
        side[stream].reshape(count, -1).astype(np.float32) for side in (sample.now, sample.after, sample.other)
    )
    differs = now != after
    step, apart = float(np.square(after - now).mean()), float(np.square(other - now).mean())
    total = float(now.var(axis=0).mean())
    spread = spread_of_change(sample.now[PIXELS] != sample.after[PIXELS]) if stream == PIXELS else 0.0
    return {
        "still": float((~differs.any(axis=1)).mean()),
        "changed": float(differs.mean()),
        "displacement": spread if stream == PIXELS else (step / total) ** 0.5 if total > 0 else 0.0,
        "mixing": (step / apart) ** 0.5 if apart > 0 else 0.0,
        # Two independent moments differ by twice their variance; `other` is never the row of `now`.
        "between_episodes": min(1.0, max(0.0, 1 - apart / 2 / total)) if total > 0 else 0.0,
    }


def spread_of_change(differs: NDArray[np.bool_]) -> float:
    """Twice the spread of changed pixels, in frame widths, over moments that changed at all; differs [M, h, w, 3]."""
    changed: NDArray[np.bool_] = np.asarray(differs.any(axis=-1))
    moment, row, column = np.nonzero(changed)
    count = np.bincount(moment, minlength=len(changed))
    place = np.stack([row, column]) / changed.shape[2]
    mean = np.stack([np.bincount(moment, axis, len(changed)) for axis in place]) / np.maximum(count, 1)
    square = np.bincount(moment, np.square(place - mean[:, moment]).sum(axis=0), len(changed)) / np.maximum(count, 1)
    return float(2 * np.sqrt(square[count > 0]).mean()) if count.any() else 0.0


def measure(sample: Sample, lengths: NDArray[np.int64], episodes: int, rows: int, action_size: int) -> StoreStatistics:
    """All figures from a sample.

    Args:
        sample: M moments.
        lengths: int64 [train episodes], in blocks.
        episodes, rows: size of the whole store.
        action_size: dimensions of one environment step.
    """
    streams = {name: moments(values) for name, values in sample.now.items()}
    action_mean, action_std = moments(sample.actions.reshape(-1, action_size))
    return StoreStatistics(
        episodes=episodes,
        rows=rows,
        length_min=int(lengths.min()),
        length_median=float(np.median(lengths)),
        length_max=int(lengths.max()),
        stream_mean={name: mean for name, (mean, _) in streams.items()},
        stream_std={name: std for name, (_, std) in streams.items()},
        action_mean=action_mean,
        action_std=action_std,
        **movement(sample),
    )
