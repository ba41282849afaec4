"""Temporally correlated noise: random action sequences cover more distance than with white noise."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from forethought.actor.contract import PlanningProblem
from forethought.actor.episode_rng import EpisodeGenerators


@cache
def autoregressive_mixing(length: int, correlation: float) -> Tensor:
    """The matrix [length, length] that turns white noise into a stationary AR(1) process of unit variance.

    It is the Cholesky factor of the covariance `correlation ** |i - j|`. iCEM (2008.06389, section 3.1) colours its
    noise with a power law; AR(1) also has the low frequencies that move a body far, with one parameter in [0, 1).
    `correlation = 0` gives white noise. It is computed once; do not change it.
    """
    steps = torch.arange(length, dtype=torch.float64)
    lags = steps[:, None] - steps[None, :]
    innovation_std = torch.full((length,), (1 - correlation**2) ** 0.5, dtype=torch.float64)
    innovation_std[:1] = 1.0
    return torch.tril(correlation ** lags.clamp(min=0)) * innovation_std


class ColouredNoise:
    """Samples noise for whole populations, correlated over the steps of all blocks; its buffers are allocated once."""

    def __init__(self, problem: PlanningProblem, count: int, horizon: int, channels: int, correlation: float) -> None:
        """Allocate buffers for `count` candidates of `horizon` blocks with `channels` values per step."""
        self._batch, self._horizon, self._steps, self._channels = problem.batch, horizon, problem.steps, channels
        length = horizon * problem.steps
        self._mixing = autoregressive_mixing(length, correlation).t().to(problem.low)
        self._white = problem.low.new_empty(problem.batch * count * channels * length)
        self._coloured = torch.empty_like(self._white)

    def draw(self, streams: EpisodeGenerators, out: Tensor, std: Tensor | None = None) -> Tensor:
        """Fill `out` [B, K, H, steps * channels] with normal noise; that of episode i comes from generator i only.

        Args: std: standard deviations [B, H, steps * channels]; None for 1.
        """
        count, length = out.shape[1], len(self._mixing)
        used = self._batch * count * self._channels * length
        white, coloured = self._white[:used].view(-1, length), self._coloured[:used].view(-1, length)
        streams.normal_(white.view(self._batch, -1))
        torch.mm(white, self._mixing, out=coloured)
        over_time = coloured.view(self._batch, count, self._channels, self._horizon, self._steps).permute(0, 1, 3, 4, 2)
        by_step = torch.unflatten(out, -1, (self._steps, self._channels))
        if std is None:
            by_step.copy_(over_time)
        else:  # scaled while it is copied: one pass over the population less
            torch.mul(over_time, torch.unflatten(std, -1, (self._steps, self._channels))[:, None], out=by_step)
        return out
