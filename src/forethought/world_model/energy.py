"""A trained world model as an energy-based model: how badly x and y go together (the paper, sections 4.1 to 4.3).

x is a state (or the recent past) and the action blocks taken from there, y the states that followed. The energy is squared
error per dimension in embedding space, and where there is a latent variable z the price of saying which way things went. A
deterministic model is the case of one z that costs nothing.

Over several blocks it is the mean of the blocks' energies, each predicted from the row that was observed before it. So it says
how well y holds together block by block under these actions, and one wrong turn is not counted again in all blocks after it;
how far a free-running imagination drifts is another question (`Level.rollout`).

Axes: C values of z (1 without a latent variable).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from forethought.errors import ForethoughtError
from forethought.world_model.level import Context, Level


def energies(
    level: Level, past: Context, actions: Float[Tensor, "B H A"], following: Float[Tensor, "B H D"]
) -> Float[Tensor, "B H C"]:
    """E(x, y, z) of each block, for every z.

    Args:
        level: the model. past: of B episodes, the present state last. actions: model units.
        following: the state after each block.
    """
    ways, rows = _ways(level, past, actions, following)
    if level.latent is None:
        return (ways - following[:, :, None]).square().mean(-1)
    return level.latent.energy(ways, following, level.latent.log_prior(rows, actions))


def energy(
    level: Level,
    past: Context,
    actions: Float[Tensor, "B H A"],
    following: Float[Tensor, "B H D"],
    code: Tensor | None = None,
) -> Float[Tensor, " B"]:
    """E(x, y, z), or F(x, y) = min over z of E(x, y, z) (the paper, section 4.3), mean over the blocks.

    Args:
        level, past, actions, following: as `energies`.
        code: int64 [B, H], the z of each block; None for the best.
    """
    every = energies(level, past, actions, following)
    if code is None:
        return every.amin(-1).mean(1)
    return every.gather(-1, code[..., None]).squeeze(-1).mean(1)


def free_energy(
    level: Level, past: Context, actions: Float[Tensor, "B H A"], following: Float[Tensor, "B H D"], temperature: float
) -> Float[Tensor, " B"]:
    """F_beta(x, y) = -T log sum over z of exp(-E(x, y, z) / T), T = 1 / beta, mean over the blocks.

    The soft minimum (Dawid and LeCun 2023, 2306.02572): never above `energy`, at most T log C below it, and `energy` itself as
    T goes to 0. The prior is in E, by its price; at T = price, F / T is the negative log-likelihood of a mixture whose shares
    are the prior's, but for a constant.

    Args:
        level, past, actions, following: as `energies`. temperature: T, in units of energy, above 0.

    Raises:
        ForethoughtError: the temperature is not above 0.
    """
    if temperature <= 0:
        raise ForethoughtError(f"The free energy has no temperature {temperature:g}: give one above 0, or ask for `energy`.")
    every = energies(level, past, actions, following)
    return -temperature * (-every / temperature).logsumexp(-1).mean(1)


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


def _ways(level: Level, past: Context, actions: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
    """Each block in every way, [B, H, C, D], from the row observed before it, [B, H, D]."""
    rows = torch.cat([past.states[:, -1:], following[:, :-1]], 1)
    if level.settings.context == 1 or level.latent is not None:
        return level.ways(rows, actions), rows
    states, taken = torch.cat([past.states, following], 1), torch.cat([past.actions, actions], 1)
    known = past.states.shape[1]
    ways = [
        level.rollout(Context(states[:, : known + block], taken[:, : known + block - 1]), actions[:, None, block : block + 1])
        for block in range(actions.shape[1])
    ]
    return torch.cat(ways, 2).transpose(1, 2), rows
