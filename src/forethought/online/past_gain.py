"""Whether the present observation tells what comes next, or the past is needed: measured on the first, random episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.readout.probes import fit_linear_probe
from forethought.types import Episode

Floats = NDArray[np.float64]
SAME = 1e-6
"""What changes by less than this share of its size does not change."""
BENDS, RIDGES, RUN = 100, (1e-6, 1e-4, 1e-2, 1.0), 20
"""Random features of a one-step prediction, its penalties, and the rows in a row that are held out together."""
MOST_MULTIPLIED = 16
"""Inputs whose products are features, too: where an angle turns, its sine changes by its cosine times its velocity."""
RARE = 0.02
"""Share of rows at each end that is cut off: a crash, far from all else, must not decide."""
CELLS, COMPONENTS = 12, 16
"""A picture is seen as this many cells a side, and these as this many principal components."""


@dataclass(frozen=True)
class PastGain:
    """How much better the next step is predicted from one more past block, on held-out rows.

    Fields:
        without, given: shares of the variance of a number's change that stay unexplained without that block, and given it;
            of the number where it helps most. 1: nothing is explained.
    """

    without: float
    given: float


def past_gain(episodes: list[Episode]) -> PastGain:
    """Measure whether the present observation and action tell what comes next, or the block before tells more.

    Ridge regression on random features predicts how the numbers of the observation change, and the reward.
    """
    present, more, outcome = list[Floats](), list[Floats](), list[Floats]()
    for seen, episode in zip(_numbers(episodes), episodes, strict=True):
        actions, rewards = episode.actions.astype(np.float64), episode.rewards[1:, None].astype(np.float64)
        present.append(np.concatenate([seen[1:-1], actions[1:]], 1))
        more.append(np.concatenate([present[-1], np.diff(seen[:-1], axis=0), actions[:-1]], 1))
        outcome.append(np.concatenate([np.diff(seen[1:], axis=0), rewards[1:]], 1))
    changes = np.concatenate(outcome)
    changes = _within(changes)
    spread = changes.std(0)
    changes = changes[:, spread > SAME * np.abs(changes).max(0)]
    if not changes.size:
        return PastGain(0.0, 0.0)
    without, given = (_unexplained(np.concatenate(inputs), changes) for inputs in (present, more))
    best = int(np.argmax(without - given))
    return PastGain(float(without[best]), float(given[best]))


def _numbers(episodes: list[Episode]) -> list[Floats]:
    """The numbers of each episode's observations, [T + 1, V]; of pictures, principal components of coarse grey ones."""
    first = episodes[0].observation
    vectors = [name for name, values in first.items() if values.dtype.kind == "f"]
    if vectors:
        return [
            np.concatenate([episode.observation[name].reshape(len(episode) + 1, -1) for name in vectors], 1).astype(np.float64)
            for episode in episodes
        ]
    images = [name for name, values in first.items() if values.dtype == np.uint8]
    if not images:
        return [np.zeros((len(episode) + 1, 0)) for episode in episodes]
    coarse = [
        np.concatenate([_cells(episode.observation[name]) for name in images], 1).astype(np.float64) for episode in episodes
    ]
    together = np.concatenate(coarse)
    _, _, axes = np.linalg.svd(together - together.mean(0), full_matrices=False)
    return [(each - together.mean(0)) @ axes[:COMPONENTS].T for each in coarse]


def _cells(pictures: NDArray[np.uint8]) -> Floats:
    """Mean brightness in a grid of cells: [T, height, width, channels] to [T, cells]."""
    grey = torch.from_numpy(np.array(pictures)).float().mean(-1)
    cells = torch.nn.functional.adaptive_avg_pool2d(grey[:, None], (min(CELLS, grey.shape[1]), min(CELLS, grey.shape[2])))
    return np.asarray(cells.flatten(1).numpy(), np.float64)


def _within(values: Floats) -> Floats:
    """Each column cut off at its outer quantiles."""
    return np.asarray(np.clip(values, *np.quantile(values, [RARE, 1 - RARE], axis=0)), np.float64)


def _unexplained(inputs: Floats, outcomes: Floats) -> Floats:
    """Share of each outcome's variance that stays unexplained on held-out rows: [N, I] and [N, V] to [V], at most 1."""
    inputs, draws = _within(inputs), np.random.default_rng(0)
    spread = inputs.std(0)
    scaled = (inputs - inputs.mean(0)) / np.where(spread > 1e-9, spread, 1.0)
    weights = draws.standard_normal((inputs.shape[1], BENDS)) * 2 / np.sqrt(inputs.shape[1])
    bent = np.maximum(scaled @ weights + draws.uniform(-2, 2, BENDS), 0)
    first, second = np.triu_indices(min(inputs.shape[1], MOST_MULTIPLIED))
    features = np.concatenate([scaled, scaled[:, first] * scaled[:, second], bent], 1)
    half = (np.arange(len(features)) // RUN) % 2 == 0
    errors = []
    for ridge in RIDGES:
        probes = [(fit_linear_probe(features[fit], outcomes[fit], ridge), ~fit) for fit in (half, ~half)]
        # R2 is NaN where the held-out rows do not vary: then nothing counts as explained, with the past or without.
        errors.append(np.mean([np.fmin(1 - probe.r2(features[held], outcomes[held]), 1.0) for probe, held in probes], 0))
    return np.asarray(np.min(errors, 0), np.float64)
