"""Inference of a continuous latent variable: the z of least energy, by descent (the paper, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def infer(
    energy_of: Callable[[Tensor], Tensor], start: Float[Tensor, "*B Z"], steps: int = 100, rate: float = 0.1
) -> tuple[Float[Tensor, "*B Z"], Float[Tensor, "*B"]]:
    """A continuous z by gradient descent (Adam): argmin over z of E(x, y, z) (the paper, section 4.3).

    Args:
        energy_of: z [..., Z] to E [...], differentiable; an item's energy depends on its own z alone.
        start: where the search begins. steps: of Adam. rate: its learning rate, which is about how far z moves in a step.

    Returns:
        The best z that was met, and its energy; what `start` had at most.
    """
    best, lowest = start.detach(), start.new_full(start.shape[:-1], torch.inf)
    z = start.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=rate)
    with torch.enable_grad():
        for step in range(steps + 1):
            found = energy_of(z)
            better = found.detach() < lowest
            best = torch.where(better[..., None], z.detach(), best)
            lowest = torch.where(better, found.detach(), lowest)
            if step < steps:
                (z.grad,) = torch.autograd.grad(found.sum(), z)
                optimizer.step()
    return best, lowest
