"""Observations as a few comparable numbers: standardised vectors, and principal components of the low frequencies of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.data.store import EpisodeStore
from forethought.types import StreamSpec

Floats = NDArray[np.float64]

SIDE, FREQUENCIES, COMPONENTS, KEPT_VARIANCE = 16, 4, 32, 0.95
"""Images: longer side after downsampling, cosine frequencies per side, most components, and share of the variance they keep."""
CHUNK = 512
PRECISION = 1e-6
"""A column whose standard deviation is smaller than this share of its mean is constant in float32."""


@dataclass(frozen=True)
class LinearFeatures:
    """Features of one stream: (values - mean) @ matrix, [M, P] to [M, F]; `frequencies` per side of an image."""

    stream: StreamSpec
    mean: Floats
    matrix: Floats
    frequencies: int = FREQUENCIES

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Features [M, F] of stored values [M, *shape]."""
        return (flat_numbers(self.stream, values, self.frequencies) - self.mean) @ self.matrix


@dataclass(frozen=True)
class ObservationFeatures:
    """Features of whole observations, streams side by side; F is 0 if all streams are constant or text."""

    parts: tuple[LinearFeatures, ...]

    @property
    def size(self) -> int:
        """F."""
        return sum(part.matrix.shape[1] for part in self.parts)

    def rows(self, store: EpisodeStore, indices: NDArray[np.int64]) -> Floats:
        """Features [M, F] of rows of a store."""

        def chunk(first: int) -> Floats:
            rows = indices[first : first + CHUNK]
            return np.concatenate([part(store.rows(part.stream.name, rows)) for part in self.parts], 1)

        if not self.parts or not len(indices):
            return np.zeros((len(indices), self.size))
        return np.concatenate([chunk(first) for first in range(0, len(indices), CHUNK)])


def fit_features(
    store: EpisodeStore, rows: NDArray[np.int64], frequencies: int = FREQUENCIES, kept_variance: float = KEPT_VARIANCE
) -> ObservationFeatures:
    """Fit features to sampled rows: unit variance per number, and unit mean variance over the components of an image.

    `frequencies`: of images, per side. `kept_variance`: share of it that the components of an image keep, `COMPONENTS` at most.
    """
    parts = []
    for stream in store.spec.streams:
        if stream.kind == "text":
            continue
        values = np.concatenate(
            [
                flat_numbers(stream, store.rows(stream.name, rows[i : i + CHUNK]), frequencies)
                for i in range(0, len(rows), CHUNK)
            ]
        )
        mean = values.mean(0)
        matrix = _principal(values, mean, kept_variance) if stream.kind == "image" else _standardised(values, mean)
        if matrix.shape[1]:
            parts.append(LinearFeatures(stream, mean, matrix, frequencies))
    return ObservationFeatures(tuple(parts))


def flat_numbers(stream: StreamSpec, values: NDArray[Any], frequencies: int = FREQUENCIES) -> Floats:
    """Stored values [M, *shape] as float64 [M, P]; of images the low `frequencies` per side.

    Low frequencies change smoothly as a thing moves through the picture. Single pixels do not: a small thing that moves by its
    own size leaves no pixel like it was.
    """
    if stream.kind != "image":
        return values.reshape(len(values), -1).astype(np.float64)
    small: Floats = values.astype(np.float64)
    for axis in (1, 2):
        size = small.shape[axis]
        edges = np.unique(np.linspace(0, size, min(size, SIDE) + 1).astype(int))
        widths = np.diff(edges).reshape([-1 if a == axis else 1 for a in range(4)])
        small = np.add.reduceat(small, edges[:-1], axis=axis) / widths
    down, across = (_cosines(small.shape[axis], frequencies) for axis in (1, 2))
    spectrum = np.einsum("mhwc,fh,gw->mfgc", small, down, across, optimize=True)
    flat: Floats = spectrum.reshape(len(values), -1)
    return flat


def _cosines(size: int, number: int) -> Floats:
    """The first `number` rows of a discrete cosine transform, [number, size]."""
    positions, frequencies = np.arange(size) + 0.5, np.arange(min(number, size))
    return np.asarray(np.cos(np.pi * frequencies[:, None] * positions / size) / size)


def is_constant(std: Floats, mean: Floats) -> NDArray[np.bool_]:
    """Which columns do not vary within float32 precision."""
    return std <= PRECISION * np.maximum(np.abs(mean), 1e-12)


def _standardised(values: Floats, mean: Floats) -> Floats:
    std = values.std(0)
    varies = ~is_constant(std, mean)
    matrix: Floats = (np.eye(len(std)) / np.where(varies, std, 1.0))[:, varies]
    return matrix


def _principal(values: Floats, mean: Floats, kept_variance: float) -> Floats:
    centred = values - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    variances, vectors = variances[::-1].clip(0), vectors[:, ::-1]
    if variances[0] <= 1e-9:
        return np.zeros((len(mean), 0))
    explained = np.cumsum(variances) / variances.sum()
    count = min(COMPONENTS, int(np.searchsorted(explained, kept_variance)) + 1)
    matrix: Floats = vectors[:, :count] / np.sqrt(variances[:count].mean())
    return matrix


@dataclass(frozen=True)
class Transitions:
    """M recorded transitions over whole blocks, each with the block before it.

    Fields: episode: int64 [M]. before, now, after: features [M, F] of rows t - 1, t, t + 1. action_before, action: [M, A], of
    rows t - 1 and t.
    """

    episode: NDArray[np.int64]
    before: Floats
    now: Floats
    after: Floats
    action_before: Floats
    action: Floats

    def __len__(self) -> int:
        """M."""
        return len(self.episode)


def sample_places(
    lengths: NDArray[np.int64], episodes: NDArray[np.int64], room: int, count: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Up to `count` distinct (episode, offset) with `room` whole blocks after the offset, sorted."""
    places = np.maximum(lengths[episodes] - room + 1, 0)
    ends = np.cumsum(places)
    total = int(ends[-1]) if len(ends) else 0
    chosen = np.arange(total) if total <= count else np.sort(random.choice(total, count, replace=False))
    index = np.searchsorted(ends, chosen, side="right")
    return episodes[index], chosen - (ends - places)[index]


def sample_transitions(
    store: EpisodeStore,
    features: ObservationFeatures,
    episodes: NDArray[np.int64],
    count: int,
    random: np.random.Generator,
) -> Transitions:
    """Up to `count` transitions of these episodes."""
    episode, offset = sample_places(store.lengths, episodes, 2, count, random)
    row = store.starts[episode] + offset
    before, now, after = (features.rows(store, row + shift) for shift in range(3))
    action_before, action = (store.rows("actions", row + shift).astype(np.float64) for shift in range(2))
    return Transitions(episode, before, now, after, action_before, action)
