"""Whether the present observation tells what comes next, or the past is needed: measured on the first, random episodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forethought.data.observation_features import fit_features
from forethought.data.store import EpisodeStore
from forethought.evaluation.store_examination.quick_model import fit_quick_model
from forethought.training.recorded_past import PastGain

Floats = NDArray[np.float64]
SAME = 1e-6
"""What changes by less than this share of its size does not change."""
RUN, LEAST_ROWS, MOST_ROWS = 20, 40, 5000
"""Rows in a row that are held out together, the fewest from which anything is told, and the most that are looked at."""
MOST_MULTIPLIED = 16
"""Numbers whose products are given to the quick model, too."""
RARE = 0.02
"""Share of rows at each end that is cut off: a crash, far from all else, must not decide."""


def past_gain(store: EpisodeStore) -> PastGain:
    """Measure whether the present observation and action tell what comes next, or the block before tells more.

    A quick model predicts how the features of the observation change, and the reward; half of the rows judge what the other
    half fits. `doctor` asks the same of whole held-out episodes, which a few random ones have not, and
    `recorded_past_gain` a small network, for which they have too few rows. It tells of the number where the past helps most.
    """
    episodes = int(np.searchsorted(store.starts, MOST_ROWS))
    features = fit_features(store, np.arange(min(store.num_rows, MOST_ROWS)))
    present, more, outcome = list[Floats](), list[Floats](), list[Floats]()
    for number in range(episodes):
        rows = store.starts[number] + np.arange(store.lengths[number] + 1)
        seen, actions = features.rows(store, rows), store.rows("actions", rows[:-1]).astype(np.float64)
        rewards = store.rows("rewards", rows[1:]).astype(np.float64)[:, None]
        present.append(_with_products(np.concatenate([seen[1:-1], actions[1:]], 1)))
        more.append(np.concatenate([present[-1], np.diff(seen[:-1], axis=0), actions[:-1]], 1))
        outcome.append(np.concatenate([np.diff(seen[1:], axis=0), rewards[1:]], 1))
    changes = np.concatenate(outcome)
    if len(changes) < LEAST_ROWS:
        return PastGain(0.0, 0.0)
    changes = _within(changes)
    changes = changes[:, changes.std(0) > SAME * np.abs(changes).max(0)]
    if not changes.size:
        return PastGain(0.0, 0.0)
    without, given = (_unexplained(_within(np.concatenate(inputs)), changes) for inputs in (present, more))
    best = int(np.argmax(without - given))
    return PastGain(float(without[best]), float(given[best]))


def _with_products(inputs: Floats) -> Floats:
    """Numbers beside their products: where a joint turns, its sine changes by its cosine times its velocity."""
    first, second = np.triu_indices(min(inputs.shape[1], MOST_MULTIPLIED))
    return np.concatenate([inputs, inputs[:, first] * inputs[:, second]], 1)


def _within(values: Floats) -> Floats:
    """Each column cut off at its outer quantiles."""
    return np.asarray(np.clip(values, *np.quantile(values, [RARE, 1 - RARE], axis=0)), np.float64)


def _unexplained(inputs: Floats, outcomes: Floats) -> Floats:
    """Share of each outcome's variance that stays unexplained on held-out rows: [N, P] and [N, V] to [V], at most 1."""
    half = (np.arange(len(inputs)) // RUN) % 2 == 0
    errors = []
    for fit in (half, ~half):
        model = fit_quick_model(inputs[fit], outcomes[fit])
        error = np.square(outcomes[~fit] - model(inputs[~fit])).mean(0)
        varies = outcomes[~fit].var(0) > 0
        # Where the held-out rows do not vary nothing counts as explained, with the past or without.
        errors.append(np.where(varies, np.minimum(error / np.where(varies, outcomes[~fit].var(0), 1.0), 1.0), 1.0))
    return np.asarray(np.mean(errors, 0), np.float64)
