"""A Gaussian over action sequences: the proposal of CEM, iCEM and MPPI."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from forethought.actor.contract import PlanningProblem
from forethought.actor.noise import ColouredNoise


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian per episode and action number, correlated over time.

    Fields:
        mean: [B, H, A], within bounds.
        std: [B, H, A].
    """

    mean: Tensor
    std: Tensor


def initial_proposal(problem: PlanningProblem, horizon: int, spread: float) -> Gaussian:
    """Centred between the bounds; `spread` is the standard deviation in units of half their distance."""
    shape = (problem.batch, horizon, problem.low.shape[-1])
    centre, half_range = (problem.high + problem.low) / 2, (problem.high - problem.low) / 2
    return Gaussian(mean=centre.expand(shape), std=(spread * half_range).expand(shape))


def noise_for(problem: PlanningProblem, horizon: int, count: int, correlation: float) -> ColouredNoise:
    """Correlated noise for `count` continuous candidates."""
    return ColouredNoise(problem, count, horizon, problem.low.shape[-1] // problem.steps, correlation)


def sample_within(problem: PlanningProblem, proposal: Gaussian, noise: ColouredNoise, out: Tensor) -> None:
    """Fill `out` [B, K, H, A] with samples of the proposal, clipped to the bounds, in place."""
    noise.draw(problem.streams, out, proposal.std).add_(proposal.mean[:, None])
    torch.clamp(out, problem.low, problem.high, out=out)
