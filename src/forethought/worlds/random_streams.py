"""Counter-based random numbers: what copy i draws is a function of its seed and a counter, never of its neighbours.

The bits come from the finaliser of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
generators", OOPSLA, figure 16), applied to (seed, counter, index). There is no state to keep, to save or to share, and
a whole batch is drawn in one NumPy expression.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from forethought.errors import require_whole

Seeds = NDArray[np.uint64]

TASK_SEEDS, SEEDS_PER_SET = 2**31, 2**16
"""Collection uses seeds below the first number, tasks use it and those above: no benchmark episode was ever trained on. The
second is how many of these one set of tasks has to itself."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def task_seed(seed: int, index: int) -> int:
    """The seed of task `index` of the set `seed`."""
    return TASK_SEEDS + seed * SEEDS_PER_SET + index


def world_seed(seed: SupportsIndex) -> int:
    """A seed as environments take it: any integer; a negative one modulo 2**32."""
    number = require_whole(seed, "a seed")
    return number if number >= 0 else number % 2**32


def as_seeds(seeds: Sequence[int] | NDArray[np.integer]) -> Seeds:
    """Seeds as uint64 [N]; any integer is taken modulo 2**64."""
    return np.array([int(seed) % 2**64 for seed in seeds], dtype=np.uint64)


def counter(purpose: int, step: int = 0) -> int:
    """One number out of what the draw is for and when it happens, so that no two draws share their bits."""
    return (purpose << 32) | step


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser, elementwise, wrapping modulo 2**64."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


def bits(seeds: Seeds, count: int, size: int) -> NDArray[np.uint64]:
    """Random 64-bit words [N, size]; row i depends on `seeds[i]`, `count` and the column alone."""
    # Arrays throughout: NumPy wraps array overflow silently, but warns about scalars.
    # The salt starts elsewhere than the seeds, or seed a with counter b would draw what seed b draws with counter a.
    salt = _mix(np.array([count % 2**64], dtype=np.uint64) + _MIX_1)
    base = _mix(_mix(seeds + _GOLDEN) ^ salt)
    return _mix(base[:, None] + _GOLDEN * np.arange(1, size + 1, dtype=np.uint64))


def uniform(seeds: Seeds, count: int, *shape: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), [N, *shape].

    Args:
        seeds: uint64 [N].
        count: which draw this is, see `counter`.
        shape: shape of one copy's draw.
    """
    words = bits(seeds, count, math.prod(shape))
    return ((words >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(len(seeds), *shape)


def normal(seeds: Seeds, count: int, *shape: int) -> NDArray[np.float64]:
    """Standard normal numbers [N, *shape], by Box and Muller's transform of two uniform ones."""
    u = uniform(seeds, count, 2, *shape)
    radius: NDArray[np.float64] = np.sqrt(-2.0 * np.log1p(-u[:, 0]))
    return radius * np.cos(2.0 * math.pi * u[:, 1])
