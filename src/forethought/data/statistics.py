"""Dataset statistics for the configurator: scales, episode lengths, share of variance between episodes."""

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
    """Statistics of the training episodes, from a fixed sample of rows (the same for the same store).

    Fields:
        episodes, rows: their numbers in the store, held-out ones included.
        length_median, length_max: episode length in blocks.
        stream_mean, stream_std: stream -> per channel (pixels, 0..255) or per value.
        between_episodes: share of the observation's variance between episodes (layout, doors), as opposed to within an
            episode, 0..1.
    """

    episodes: int
    rows: int
    length_median: float
    length_max: int
    stream_mean: Mapping[str, tuple[float, ...]]
    stream_std: Mapping[str, tuple[float, ...]]
    between_episodes: float


@dataclass(frozen=True)
class Sample:
    """M pairs of rows of the training episodes, both of the same episode. Fields: stream -> [M, ...]."""

    now: Mapping[str, NDArray[Any]]
    other: Mapping[str, NDArray[Any]]


def moments(values: NDArray[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation over all but the last axis."""
    flat = values.reshape(-1, values.shape[-1])
    if values.dtype == np.uint8:
        byte_values = np.arange(256.0)
        counts = np.stack([np.bincount(channel, minlength=256) for channel in flat.T]) / len(flat)
        mean = counts @ byte_values
        std = np.sqrt((counts * np.square(byte_values - mean[:, None])).sum(axis=1))
        return tuple(mean.tolist()), tuple(std.tolist())
    mean, std = flat.mean(axis=0, dtype=np.float64), flat.std(axis=0, dtype=np.float64)
    return tuple(mean.tolist()), tuple(std.tolist())


def between_episodes(sample: Sample) -> float:
    """See `StoreStatistics`. It uses `pixels`, else the first image, else another stream; 0 if all streams are text."""
    if not sample.now:
        return 0.0
    images = [name for name, values in sample.now.items() if values.dtype == np.uint8 and values.ndim == 4]
    stream = next(name for name in (PIXELS, *images, PROPRIOCEPTION, *sample.now) if name in sample.now)
    now, other = (side[stream].reshape(len(side[stream]), -1).astype(np.float32) for side in (sample.now, sample.other))
    total = float(now.var(axis=0).mean())
    # The mean squared difference of two independent rows is twice their variance; `other` is never the row of `now`.
    within = float(np.square(other - now).mean()) / 2
    return min(1.0, max(0.0, 1 - within / total)) if total > 0 else 0.0


def measure(sample: Sample, lengths: NDArray[np.int64], episodes: int, rows: int) -> StoreStatistics:
    """Compute all statistics from a sample.

    Args:
        sample: M pairs of rows.
        lengths: int64 [train episodes with a whole block], in blocks.
        episodes, rows: size of the whole store.
    """
    streams = {name: moments(values) for name, values in sample.now.items()}
    return StoreStatistics(
        episodes=episodes,
        rows=rows,
        length_median=float(np.median(lengths)),
        length_max=int(lengths.max()),
        stream_mean={name: mean for name, (mean, _) in streams.items()},
        stream_std={name: std for name, (_, std) in streams.items()},
        between_episodes=between_episodes(sample),
    )
