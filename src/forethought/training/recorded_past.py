"""Whether one observation of recorded episodes tells what comes next, or the past is needed, as for velocities in pictures."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from forethought.data.observation_features import Transitions, fit_features, sample_transitions
from forethought.data.store import EpisodeStore

Floats = NDArray[np.float64]
FREQUENCIES, KEPT_VARIANCE = 8, 0.98
"""Finer than for a quick look: where a small thing is not seen exactly, the past would tell where it is."""
FIT_ROWS, FEATURE_ROWS, TEST_PART, LEAST_ROWS = 12000, 4000, 4, 500
"""Transitions that are fitted, rows that determine the features, one of so many episodes judges, and fewest transitions."""
WIDTH, STEPS, BATCH, RATE = 256, 1200, 256, 2e-3
FEW, OCTAVES = 16, 3
"""Up to so many features are shown at finer scales, too: in a maze, walls are fine functions of two numbers."""


@dataclass(frozen=True)
class PastGain:
    """How much better the next step is predicted from one more past block, on held-out rows.

    Fields:
        without, given: shares of the variance of the change that stay unexplained without that block, and given it. 1: nothing
            is explained; 0 in both where there are too few rows to tell.
    """

    without: float
    given: float


_MEASURED: MutableMapping[EpisodeStore, PastGain] = WeakKeyDictionary()
"""Of open stores: a benchmark asks for each of its training seeds."""


def recorded_past_gain(store: EpisodeStore) -> PastGain:
    """Measure on training episodes whether the block before the present one lowers the error of a prediction.

    Two small networks predict how features of the observation change, one from the present row and action, one from both rows
    and both actions; other episodes judge. It takes some seconds, and is the same for the same store, so an open one is
    measured once.
    """
    if store not in _MEASURED:
        _MEASURED[store] = _measure(store)
    return _MEASURED[store]


def _measure(store: EpisodeStore) -> PastGain:
    random = np.random.default_rng(0)
    episodes = random.permutation(store.train[store.lengths[store.train] >= 2])
    cut = len(episodes) // TEST_PART
    if not cut:
        return PastGain(0.0, 0.0)
    rows = store.rows_of(episodes[cut:], whole=True)
    features = fit_features(store, random.choice(rows, min(FEATURE_ROWS, len(rows)), False), FREQUENCIES, KEPT_VARIANCE)
    test, fit = (
        sample_transitions(store, features, np.sort(chosen), count, random)
        for chosen, count in ((episodes[:cut], FIT_ROWS // TEST_PART), (episodes[cut:], FIT_ROWS))
    )
    change = test.after - test.now
    if len(fit) < LEAST_ROWS or not change.size or not change.var(0).sum() > 0:
        return PastGain(0.0, 0.0)
    without, given = (_unexplained(fit, test, past) for past in (False, True))
    return PastGain(without, given)


def _unexplained(fit: Transitions, test: Transitions, past: bool) -> float:
    """Share of the variance of the change that a network fitted to `fit` leaves unexplained on `test`, at most 1."""
    known, target = _inputs(fit, past), fit.after - fit.now
    mean, spread, scale = known.mean(0), known.std(0) + 1e-6, target.std()
    inputs, asked = (torch.from_numpy((side - mean) / spread).float() for side in (known, _inputs(test, past)))
    targets, change = torch.from_numpy(target / scale).float(), test.after - test.now
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            *(nn.Linear(inputs.shape[1], WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU()),
            nn.Linear(WIDTH, targets.shape[1]),
        )
        optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
        for _ in range(STEPS):
            batch = torch.randint(len(inputs), (BATCH,))
            optimiser.zero_grad()
            (network(inputs[batch]) - targets[batch]).square().mean().backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        error = np.square(network(asked).double().numpy() * scale - change).mean(0).sum()
    return min(1.0, float(error / change.var(0).sum()))


def _inputs(rows: Transitions, past: bool) -> Floats:
    """What is known before the change: [M, P]."""
    parts = [rows.now, rows.action]
    if rows.now.shape[1] <= FEW:
        parts += [wave(np.pi * 2.0**octave * rows.now) for octave in range(OCTAVES) for wave in (np.sin, np.cos)]
    if past:
        parts += [rows.now - rows.before, rows.action_before]
    return np.concatenate(parts, 1)
