"""Lasting variation: what changes within an episode and is still there a row later, and how much of it a readout misses.

Noise is excluded without a threshold: the product of two successive deviations from the episode's mean is positive on average
only where the deviation lasts. Episodes are the independent units of every test.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

FLIPS, FALSE_ALARMS = 999, 0.01
"""Sign flips of the test, and the probability of a false alarm in a test of all groups."""


def around_mean(values: Float[Tensor, "B T V"]) -> Float[Tensor, "B T V"]:
    """Deviations from each episode's mean."""
    return values - values.mean(1, keepdim=True)


def lasting(deviations: Float[Tensor, "B T V"]) -> Float[Tensor, "B t V"]:
    """Products of successive deviations, t = T - 1; their sum is T - 1 times the autocovariance at lag 1."""
    return deviations[:, 1:] * deviations[:, :-1]


def paired_t(differences: Float[Tensor, "B G"]) -> tuple[Float[Tensor, " G"], float]:
    """Student's t of each group's mean difference over B episodes, and the value that their maximum exceeds by chance.

    The signs of whole episodes are flipped at random, so groups may depend on one another: the maximum over groups bounds the
    probability of any false alarm (Nichols and Holmes 2002, Nonparametric permutation tests, section 2). A permutation of the
    episodes does not change a t, and the threshold only by sampling.

    Returns:
        t per group, 0 for a group without differences; the threshold for a false-alarm probability of `FALSE_ALARMS`.
    """
    values = differences.double().cpu()
    count = len(values)
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (FLIPS, count), generator=generator).double() * 2 - 1
    square = values.square().sum(0)
    means = torch.cat([values.mean(0, keepdim=True), signs @ values / count])
    spread = ((square - count * means.square()) / (count - 1)).clamp_min(0).sqrt()
    floor = 1e-9 * spread.max().clamp_min(1e-30)
    every_t = torch.where(spread > floor, means / spread.clamp_min(floor) * math.sqrt(count), 0.0)
    return every_t[0], float(every_t[1:].amax(1).quantile(1 - FALSE_ALARMS))


def neighbourhoods(rows: int, columns: int, reach: int = 1) -> Float[Tensor, "P P"]:
    """Which places of a grid lie within `reach` of one another in both directions, 1 or 0; places row by row."""
    row, column = (part.flatten() for part in torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"))
    near = ((row[:, None] - row).abs() <= reach) & ((column[:, None] - column).abs() <= reach)
    return near.float()
