"""Findings about coverage: how many distinct states are visited, and how near held-out rows are to training rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forethought.data.observation_features import ObservationFeatures, sample_places
from forethought.data.store import EpisodeStore
from forethought.evaluation.store_examination.findings import Level, StoreFinding, counted, share

Floats = NDArray[np.float64]

TRAINING_ROWS, TRAINING_IMAGES, HELDOUT_ROWS, CLUSTERED_ROWS = 20_000, 4_000, 1_000, 2_000
FEW_NEAR, FEW_STATES = 0.5, 10.0
SAME = 0.5
"""States nearer than this share of a typical block are the same."""
CHUNK = 256


def coverage_findings(
    store: EpisodeStore,
    features: ObservationFeatures,
    fit: NDArray[np.int64],
    test: NDArray[np.int64],
    random: np.random.Generator,
) -> list[StoreFinding]:
    """Findings of the observations' features; `fit`, `test`: episodes of the two sides of the split."""
    images = any(part.stream.kind == "image" for part in features.parts)
    episode, offset = sample_places(store.lengths_with_partial, fit, 0, TRAINING_IMAGES if images else TRAINING_ROWS, random)
    rows = store.starts[episode] + offset
    known = features.rows(store, rows)
    radius = typical_step(store, features, fit, random)
    if radius == 0:
        return [_frozen()]
    episode, offset = sample_places(store.lengths_with_partial, test, 0, HELDOUT_ROWS, random)
    distances = nearest_distances(features.rows(store, store.starts[episode] + offset), known)
    clustered = known[:: max(1, len(known) // CLUSTERED_ROWS)][:CLUSTERED_ROWS]
    return [_distinct(effective_states(clustered, SAME * radius), len(clustered)), _near(distances, radius, len(known))]


def typical_step(
    store: EpisodeStore, features: ObservationFeatures, episodes: NDArray[np.int64], random: np.random.Generator
) -> float:
    """Root mean squared distance between successive rows."""
    episode, offset = sample_places(store.lengths, episodes, 1, HELDOUT_ROWS, random)
    if not len(episode):
        return 0.0
    row = store.starts[episode] + offset
    return float(np.sqrt(((features.rows(store, row + 1) - features.rows(store, row)) ** 2).sum(1).mean()))


def nearest_distances(points: Floats, known: Floats) -> Floats:
    """Distance of each point [M, F] to the nearest of the known ones [N, F], [M]."""
    squares = (known**2).sum(1)
    nearest = [
        (squares - 2 * part @ known.T).min(1) + (part**2).sum(1)
        for part in (points[first : first + CHUNK] for first in range(0, len(points), CHUNK))
    ]
    distances: Floats = np.sqrt(np.concatenate(nearest).clip(0))
    return distances


def effective_states(points: Floats, radius: float) -> float:
    """Number of distinct states: perplexity of clusters of a radius, each led by the first point outside all others."""
    cluster = np.full(len(points), -1)
    leaders = 0
    while (free := np.flatnonzero(cluster < 0)).size:
        distance = np.sqrt(((points[free] - points[free[0]]) ** 2).sum(1))
        cluster[free[distance <= radius]] = leaders
        leaders += 1
    frequency = np.bincount(cluster) / len(cluster)
    return float(np.exp(-(frequency * np.log(frequency)).sum()))


def _frozen() -> StoreFinding:
    return StoreFinding(
        "distinct states", "alarm", "0 change", "The observation never changes from one row to the next.",
        "Check that the recording steps the world, and record again.", {"typical_step": 0.0},
    )  # fmt: skip


def _distinct(effective: float, sampled: int) -> StoreFinding:
    few = effective < FEW_STATES
    level: Level = "alarm" if few else "ok"
    return StoreFinding(
        "distinct states",
        level,
        f"{effective:.0f} of {sampled:,} sampled rows",
        f"Visited are {'only ' if few else ''}{counted(round(effective), 'state')} that differ by half a typical block.",
        "Record with more exploration, or from more starts." if few else "",
        {"effective_states": effective, "rows": sampled},
    )


def _near(distances: Floats, radius: float, known: int) -> StoreFinding:
    near = float((distances <= radius).mean())
    few = near < FEW_NEAR
    return StoreFinding(
        "coverage",
        "alarm" if few else "ok",
        f"{share(near)} of held-out rows are near",
        f"They have a training row (of {known:,} sampled) no farther than a typical block moves the observation.",
        "Record more episodes: most of what is held out was not seen in training." if few else "",
        {"near": near, "training_rows": known, "heldout_rows": len(distances), "typical_step": radius},
    )
