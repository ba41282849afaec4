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
SAME_GREY, NOISES, SAME_NUMBER = 0.5, 4.0, 1e-3
"""Changes that count as none: of grey levels of 255, in multiples of the noise's median, and in standard deviations."""
AT_TIMES = 0.75
"""Quantile over rows: objects that rest in a quarter of all blocks are seen at rest."""
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
        between_episodes: share of the observation's variance between episodes, as opposed to within an episode, 0..1: what
            lies elsewhere in each episode, be it a layout, an object or a slow agent.
        layout: share of it that lasts unmoved from the first row of an episode to its last: walls, doors.
        at_rest: share of the contours that stay where they are for a block in which something else moves, upper quartile
            over rows: layouts, and objects that move at times only. A slow agent moves its contours in each block.
    """

    episodes: int
    rows: int
    length_median: float
    length_max: int
    stream_mean: Mapping[str, tuple[float, ...]]
    stream_std: Mapping[str, tuple[float, ...]]
    between_episodes: float
    layout: float
    at_rest: float
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
    where they are choices. following: of `leading_stream`, [M, ...], a block after `now`. first, last: of its episode.
    """

    now: Mapping[str, NDArray[Any]]
    other: Mapping[str, NDArray[Any]]
    actions: NDArray[np.float64] | None = None
    following: NDArray[Any] | None = None
    first: NDArray[Any] | None = None
    last: NDArray[Any] | None = None


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


def leading_stream(rows: Mapping[str, NDArray[Any]]) -> str | None:
    """`pixels`, else the first image, else another stream of rows [M, ...]; None if all streams are text."""
    images = [name for name, values in rows.items() if is_picture(values)]
    return next((name for name in (PIXELS, *images, PROPRIOCEPTION, *rows) if name in rows), None)


def is_picture(values: NDArray[Any]) -> bool:
    """Whether [M, ...] are images."""
    return values.dtype == np.uint8 and values.ndim == 4


def between_episodes(sample: Sample) -> float:
    """See `StoreStatistics`, by `leading_stream`; 0 without one."""
    stream = leading_stream(sample.now)
    return 0.0 if stream is None else _share(sample.now[stream], sample.other[stream], sample.now[stream])


def _share(now: NDArray[Any], other: NDArray[Any], population: NDArray[Any]) -> float:
    """Share of the variance of a population [N, ...] that two rows of an episode, [M, ...] each, have in common; 0..1."""
    total = float(population.reshape(len(population), -1).astype(np.float32).var(axis=0).mean())
    # The mean squared difference of two independent rows is twice their variance; `other` is never the row of `now`.
    within = float(np.square(other.astype(np.float32) - now.astype(np.float32)).mean()) / 2
    return min(1.0, max(0.0, 1 - within / total)) if total > 0 else 0.0


def at_rest(sample: Sample) -> float:
    """See `StoreStatistics`; 0 without rows."""
    stream = leading_stream(sample.now)
    if stream is None or sample.following is None:
        return 0.0
    return float(np.quantile(_unmoved(sample.now[stream], sample.following), AT_TIMES))


def layout(sample: Sample) -> float:
    """See `StoreStatistics`; 0 without rows."""
    if sample.first is None or sample.last is None:
        return 0.0
    lasts = _share(sample.first, sample.last, np.concatenate([sample.first, sample.last]))
    # The ends of a few episodes, and numbers of a slow agent, resemble each other by chance; what is unmoved does not.
    return min(lasts, float(_unmoved(sample.first, sample.last).mean()))


def _unmoved(now: NDArray[Any], later: NDArray[Any]) -> NDArray[np.float64]:
    """Share of what differs from the mean that stays the same, of each pair in which anything changes: [M, ...] to [pairs].

    Of pictures their contours, because a large body that moves by a little covers much of its old place. A change within the
    noise is none. Where nothing exceeds the noise, or no pair changes, all stays the same: 1.
    """
    before, after, same = _contours(now, later) if is_picture(now) else _numbers(now, later)
    deviations = np.square(before - before.mean(axis=0))
    deviations[deviations <= same**2] = 0
    unchanged = np.abs(after - before) <= same
    total = deviations.sum(axis=1, dtype=np.float64)
    told = ~unchanged.all(axis=1) & (total > 0)
    if not told.any():
        return np.ones(1)
    shares: NDArray[np.float64] = (deviations * unchanged).sum(axis=1, dtype=np.float64)[told] / total[told]
    return shares


def _contours(now: NDArray[Any], later: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Differences of pixels to their right and lower neighbours, [M, P], and the change of one that counts as none."""

    def differences(pictures: NDArray[Any]) -> NDArray[np.float32]:
        values = pictures.astype(np.float32)
        return np.concatenate([np.diff(values, axis=axis).reshape(len(values), -1) for axis in (1, 2)], axis=1)

    before, after = differences(now), differences(later)
    # Most of a picture is background, whose change is the noise of the camera.
    return before, after, max(SAME_GREY, NOISES * float(np.median(np.abs(after - before))))


def _numbers(now: NDArray[Any], later: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Numbers in units of their spread, [M, P], and the change of one that counts as none."""
    flat = now.reshape(len(now), -1).astype(np.float64)
    spread = flat.std(axis=0)
    scale = np.where(spread > 0, spread, np.inf)
    return flat / scale, later.reshape(len(later), -1) / scale, SAME_NUMBER


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
        layout=layout(sample),
        at_rest=at_rest(sample),
        stream_far={name: found.far for name, found in vectors.items()},
        action_variance=None if sample.actions is None else float(sample.actions.var(axis=0).mean()),
    )
