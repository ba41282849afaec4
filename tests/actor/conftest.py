"""Problems whose best plans are known."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from forethought.actor import EpisodeGenerators, PlanningProblem


def make(rollout, energy, low: Tensor, high: Tensor, seeds, steps=1, codes=None, candidates=None) -> PlanningProblem:
    return PlanningProblem(len(seeds), rollout, energy, low, high, codes, steps, candidates, EpisodeGenerators(seeds))


def bowl(target: Tensor, low=-1.0, high=1.0, seeds=None, **rest) -> PlanningProblem:
    """Energy: squared distance of the actions [H, A] from `target` [B, H, A], each block for itself."""
    size = target.shape[-1]
    return make(
        rollout=lambda actions: actions * 1.0,
        energy=lambda states, actions: (states - target[:, None]).square().mean((-2, -1)),
        low=torch.full((size,), low),
        high=torch.full((size,), high),
        seeds=list(range(len(target))) if seeds is None else seeds,
        **rest,
    )


def double_integrator(starts: Tensor, effort: float, horizon: int, seeds=None) -> tuple[PlanningProblem, Tensor]:
    """Position and velocity pushed by a force, v += u, x += v; energy |x_H|^2 + |v_H|^2 + effort * sum u^2.

    Returns the problem and its optimum [B, H, 1] by linear least squares.
    """

    def rollout(actions: Tensor) -> Tensor:
        velocity = starts[:, None, None, 1] + actions[..., 0].cumsum(2)
        position = starts[:, None, None, 0] + velocity.cumsum(2)
        return torch.stack([position, velocity], -1)

    def energy(states: Tensor, actions: Tensor) -> Tensor:
        return states[:, :, -1].square().sum(-1) + effort * actions.square().sum((-2, -1))

    reach = torch.stack([torch.arange(horizon, 0, -1.0), torch.ones(horizon)])
    free = torch.stack([starts[:, 0] + horizon * starts[:, 1], starts[:, 1]], -1)
    gain = torch.linalg.solve(reach.T @ reach + effort * torch.eye(horizon), reach.T)
    best = -(free @ gain.T)[..., None]
    low, high = torch.full((1,), -1.0), torch.full((1,), 1.0)
    assert best.abs().max() < 1, "the optimum must be within bounds"
    return make(rollout, energy, low, high, list(range(len(starts))) if seeds is None else seeds), best


@pytest.fixture
def problems() -> SimpleNamespace:
    """The makers above."""
    return SimpleNamespace(make=make, bowl=bowl, double_integrator=double_integrator)


Maker = Callable[..., PlanningProblem]
