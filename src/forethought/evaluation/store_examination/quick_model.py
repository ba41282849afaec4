"""A quick regression: ridge on the inputs and random tanh features of them (Rahimi and Recht 2008), in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RANDOM_FEATURES, ROWS_PER_FEATURE, VALIDATION = 256, 8, 0.2
RIDGES = (1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e2, 1e6)
"""Candidate penalties, relative to unit variance; the one of least validation error is used."""


@dataclass(frozen=True)
class QuickModel:
    """Fields: mean, scale: of the inputs, [P]. weight, bias: of the random features. solution: [features + 1, V]."""

    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats
    solution: Floats

    def __call__(self, inputs: Floats) -> Floats:
        """Predictions [M, V] for inputs [M, P]."""
        predicted: Floats = self._features(inputs) @ self.solution
        return predicted

    def _features(self, inputs: Floats) -> Floats:
        scaled = (inputs - self.mean) / self.scale
        return np.concatenate([np.ones((len(scaled), 1)), scaled, np.tanh(scaled @ self.weight + self.bias)], 1)


def fit_quick_model(inputs: Floats, targets: Floats, seed: int = 0) -> QuickModel:
    """Fit targets [M, V] by inputs [M, P]; the last fifth of the rows chooses the penalty."""
    random = np.random.default_rng(seed)
    mean, std = inputs.mean(0), inputs.std(0)
    # A constant input has weight zero: its scale is infinite.
    scale = np.where(std > 1e-9 * (1 + np.abs(mean)), std, np.inf)
    count = min(RANDOM_FEATURES, len(inputs) // ROWS_PER_FEATURE)
    weight = random.standard_normal((inputs.shape[1], count)) / np.sqrt(inputs.shape[1])
    bias = random.uniform(-1, 1, count)
    width = 1 + inputs.shape[1] + count
    unfitted = QuickModel(mean, scale, weight, bias, np.zeros((width, targets.shape[1])))
    features = unfitted._features(inputs)
    cut = max(1, len(features) - round(VALIDATION * len(features)))
    fitted, held = features[:cut], features[cut:]
    values, vectors = np.linalg.eigh(fitted.T @ fitted / cut)
    rotated = vectors.T @ (fitted.T @ targets[:cut] / cut)
    solutions = [vectors @ (rotated / (values.clip(0) + ridge)[:, None]) for ridge in RIDGES]
    errors = [float(((held @ solution - targets[cut:]) ** 2).sum()) for solution in solutions]
    return QuickModel(mean, scale, weight, bias, solutions[int(np.argmin(errors))])
