"""Linear probing: how much of the world's true state is linearly decodable from the agent's state (R2 on held-out data)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError, NonFiniteError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearProbe:
    """A fitted linear map `states @ weight + bias`.

    Fields:
        weight: float64 [D, V], per unit of each state dimension.
        bias: float64 [V].
    """

    weight: Floats
    bias: Floats

    def predict(self, states: NDArray[Any]) -> Floats:
        """Predicted true values, [..., D] -> float64 [..., V], in the units of the fitted truth."""
        if states.shape[-1] != len(self.weight):
            raise ForethoughtError(
                f"a probe fitted on states of {len(self.weight)} dimensions was given {states.shape[-1]}; "
                "pass states of the same world model."
            )
        return np.asarray(states, np.float64) @ self.weight + self.bias

    def r2(self, states: NDArray[Any], truth: NDArray[Any]) -> Floats:
        """Share of the variance explained, 1 - SSE / SST, per value, float64 [V]; at most 1, negative if worse than the mean.

        Pass held-out episodes. A value that does not vary here has no variance to explain: its entry is NaN.

        Args:
            states: [M, D]. truth: [M, V].

        Raises:
            ForethoughtError: shapes do not match. NonFiniteError: NaN or infinity in either.
        """
        _check(states, truth)
        true = np.asarray(truth, np.float64)
        squared_error = ((true - self.predict(states)) ** 2).sum(0)
        centred = true - true.mean(0)
        total = (centred**2).sum(0)
        # A constant column has rounding noise of a few eps of its value after centring, which is not counted as variance.
        floor = len(true) * (1e-12 * np.abs(true).max(0)) ** 2
        varies = total > floor
        return np.where(varies, 1.0 - squared_error / np.where(varies, total, 1.0), np.nan)


def fit_linear_probe(states: NDArray[Any], truth: NDArray[Any], ridge: float = 1e-4) -> LinearProbe:
    """Ridge regression in closed form, float64 (Hoerl and Kennard 1970, eq. 2.1) on standardised states.

    Standardisation makes `ridge` independent of the scale of states. Constant dimensions get weight zero, and so do directions
    without variance if `ridge` is 0 (the least-norm solution).

    Args:
        states: [M, D], detached states as an array. truth: [M, V], true values, any units.
        ridge: penalty relative to the unit variance of a standardised dimension, >= 0.

    Raises:
        ForethoughtError: shapes do not match, no rows, or a negative ridge. NonFiniteError: NaN or infinity in the data.
    """
    _check(states, truth)
    if not ridge >= 0:
        raise ForethoughtError(f"a probe's ridge must be 0 or more, not {ridge}; give a larger one.")
    x, y = np.asarray(states, np.float64), np.asarray(truth, np.float64)
    x_mean, y_mean, spread = x.mean(0), y.mean(0), x.std(0)
    alive = spread > 1e-9 * max(float(spread.max()), np.finfo(np.float64).tiny)
    scale = np.where(alive, spread, 1.0)
    z = np.where(alive, (x - x_mean) / scale, 0.0)
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    used = values > 1e-12 * max(float(values[-1]), 1e-300)
    inverse = np.where(used, 1.0 / np.where(used, values + ridge, 1.0), 0.0)
    solution = vectors @ (inverse[:, None] * (vectors.T @ (z.T @ (y - y_mean) / len(z))))
    weight = solution / scale[:, None]
    return LinearProbe(weight=weight, bias=y_mean - x_mean @ weight)


def _check(states: NDArray[Any], truth: NDArray[Any]) -> None:
    """Require two finite matrices with the same number of rows, at least one."""
    if states.ndim != 2 or truth.ndim != 2 or len(states) != len(truth) or len(states) == 0:
        raise ForethoughtError(
            f"a probe needs states [M, D] and truth [M, V] with the same M >= 1, not {states.shape} and {truth.shape}; "
            "pass the truth of the states."
        )
    for name, values in (("states", states), ("truth", truth)):
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise NonFiniteError(f"the probe's {name} hold NaN or infinity, first in row {row}; check where they come from.")
