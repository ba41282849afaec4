"""Dataset statistics for the configurator: scales, episode lengths, share of variance between episodes.

Numbers are measured over all training rows, images over a fixed sample of `SAMPLE` rows (every pixel of them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.types import PIXELS, PROPRIOCEPTION, ActionSpace

SAMPLE = 512
CHUNK = 8192
"""Rows that are read at once."""


@dataclass(frozen=True)
class StoreStatistics:
    """Statistics of the training episodes (the same for the same store).

    Fields:
        episodes, rows: their numbers in the store, held-out ones included.
        length_median, length_max: episode length in blocks.
        stream_mean, stream_std: stream -> per channel (pixels, 0..255) or per value. A value whose spread is below what
            float32 resolves at its mean counts as constant: its std is 0.
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
    stream_far: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Vector stream -> per value: the largest distance from the mean."""
    action_variance: float | None = None
    """Of recorded actions, with the bounds of the world at -1 and 1, mean over their numbers; None where they are choices."""
    task_length: int | None = None
    """Blocks between start and goal in the tasks of an evaluation, at most; None where the world decides."""


@dataclass(frozen=True)
class Moments:
    """Of each number of a vector stream, over rows and all but the last axis. Fields: mean, std, far: the largest distance."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    far: tuple[float, ...]


@dataclass(frozen=True)
class Sample:
    """M pairs of rows of the training episodes, both of the same episode.

    Fields: now, other: stream -> [M, ...]. actions: [M, block * A] after `now`, with the bounds of the world at -1 and 1; None
    where they are choices.
    """

    now: Mapping[str, NDArray[Any]]
    other: Mapping[str, NDArray[Any]]
    actions: NDArray[np.float64] | None = None


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


def exact_moments(read: Callable[[NDArray[np.int64]], NDArray[Any]], rows: NDArray[np.int64]) -> Moments:
    """Moments over all `rows` in float64, in two passes, so that a large mean costs no digit of the deviations.

    Args:
        read: row numbers -> values [rows, ..., P].
        rows: which rows, at least one.
    """
    chunks = [rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK)]

    def values(chunk: NDArray[np.int64]) -> NDArray[np.float64]:
        found = read(chunk)
        return found.reshape(-1, found.shape[-1]).astype(np.float64)

    example = read(rows[:1])
    count = len(rows) * (example.size // example.shape[-1])
    # The deviations from the first row are small where the values are large.
    origin = values(rows[:1])[0]
    mean = origin + sum((values(chunk) - origin).sum(axis=0) for chunk in chunks) / count
    squares, far = np.zeros_like(mean), np.zeros_like(mean)
    for chunk in chunks:
        deviations = values(chunk) - mean
        squares += np.square(deviations).sum(axis=0)
        far = np.maximum(far, np.abs(deviations).max(axis=0))
    std = np.sqrt(squares / count)
    # Perception reads float32, whatever the store holds.
    precision = np.finfo(np.float32).eps
    std = np.where(std <= precision * np.abs(mean), 0.0, std)
    return Moments(tuple(mean.tolist()), tuple(std.tolist()), tuple(far.tolist()))


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


def within_bounds(actions: NDArray[Any], space: ActionSpace) -> NDArray[np.float64] | None:
    """Recorded blocks [M, block * A] with the bounds of the world at -1 and 1; None where actions are choices."""
    if space.kind == "discrete":
        return None
    low, high = np.array(space.low, np.float64), np.array(space.high, np.float64)
    steps = actions.astype(np.float64).reshape(len(actions), -1, space.size)
    return (2 * (steps - low) / (high - low) - 1).reshape(len(actions), -1)


def measure(
    sample: Sample, vectors: Mapping[str, Moments], lengths: NDArray[np.int64], episodes: int, rows: int
) -> StoreStatistics:
    """Compute all statistics.

    Args:
        sample: M pairs of rows.
        vectors: the moments of the vector streams; those of images come from the sample.
        lengths: int64 [train episodes with a whole block], in blocks.
        episodes, rows: size of the whole store.
    """
    images = {name: moments(values) for name, values in sample.now.items() if name not in vectors}
    return StoreStatistics(
        episodes=episodes,
        rows=rows,
        length_median=float(np.median(lengths)),
        length_max=int(lengths.max()),
        stream_mean={name: vectors[name].mean if name in vectors else images[name][0] for name in sample.now},
        stream_std={name: vectors[name].std if name in vectors else images[name][1] for name in sample.now},
        between_episodes=between_episodes(sample),
        stream_far={name: found.far for name, found in vectors.items()},
        action_variance=None if sample.actions is None else float(sample.actions.var(axis=0).mean()),
    )
