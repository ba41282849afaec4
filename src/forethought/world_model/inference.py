"""Inference of a continuous latent variable: the z of minimal energy, by gradient descent (the paper, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def infer(
    energy_of: Callable[[Tensor], Tensor], start: Float[Tensor, "*B Z"], steps: int = 100, rate: float = 0.1
) -> tuple[Float[Tensor, "*B Z"], Float[Tensor, "*B"]]:
    """Minimise E(x, y, z) over a continuous z by gradient descent (Adam; the paper, section 4.3).

    Args:
        energy_of: z [..., Z] to E [...], differentiable; an item's energy depends on its own z alone.
        start: initial z. steps: of Adam. rate: its learning rate, about the change of z per step.

    Returns:
        The best z of all steps and its energy, which is at most that of `start`.
    """
    best, lowest = start.detach(), start.new_full(start.shape[:-1], torch.inf)
    z = start.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=rate)
    with torch.enable_grad():
        for step in range(steps + 1):
            energy = energy_of(z)
            improved = energy.detach() < lowest
            best = torch.where(improved[..., None], z.detach(), best)
            lowest = torch.where(improved, energy.detach(), lowest)
            if step < steps:
                (z.grad,) = torch.autograd.grad(energy.sum(), z)
                optimizer.step()
    return best, lowest
