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

import torch
from jaxtyping import Float
from torch import Tensor

from forethought.errors import ForethoughtError
from forethought.world_model.latent import Latent
from forethought.world_model.level import Context, Level


def energies(
    level: Level, past: Context, actions: Float[Tensor, "B H A"], following: Float[Tensor, "B H D"]
) -> Float[Tensor, "B H C"]:
    """E(x, y, z) of each block, for every z that can be counted; for the best one where z is continuous (C = 1).

    Args:
        level: the model. past: of B episodes, the present state last. actions: model units.
        following: the state after each block.
    """
    if level.latent is not None:
        return level.latent.energies(level.step, _rows(past, following), actions, following)
    return (_certain(level, past, actions, following) - following).square().mean(-1, keepdim=True)


def energy(
    level: Level,
    past: Context,
    actions: Float[Tensor, "B H A"],
    following: Float[Tensor, "B H D"],
    z: Tensor | None = None,
) -> Float[Tensor, " B"]:
    """E(x, y, z), or F(x, y) = min over z of E(x, y, z) (the paper, section 4.3), mean over the blocks.

    Args:
        level, past, actions, following: as `energies`.
        z: [B, H, Z], of each block, such as the latent variable can say (`Latent.is_valid`); None for the best.

    Raises:
        ForethoughtError: a z for a model that has no latent variable, or one that it can't say.
    """
    if z is not None and level.latent is None:
        raise ForethoughtError("This model has no latent variable, so there is no z to ask about: leave it out.")
    if z is None or level.latent is None:
        return energies(level, past, actions, following).amin(-1).mean(1)
    if z.shape != (*actions.shape[:2], level.latent.size) or not level.latent.is_valid(z):
        wanted = [*actions.shape[:2], level.latent.size]
        raise ForethoughtError(
            f"This z of shape {list(z.shape)} can't be: give {wanted}, one for each block, as the model's latent variable has "
            "it (a code as one 1 among zeros, or finite numbers)."
        )
    return _in_one_way(level, level.latent, _rows(past, following), actions, following, z).mean(1)


def explanation(
    level: Level,
    past: Context,
    actions: Float[Tensor, "B H A"],
    following: Float[Tensor, "B H D"],
    amortised: bool = False,
) -> tuple[Float[Tensor, "B H Z"], Float[Tensor, "B H"]]:
    """Which way each block went: the z of least energy, and that energy.

    Codes are tried one by one. Numbers are looked for by descent (`inference.infer`).

    Args:
        level, past, actions, following: as `energies`.
        amortised: take the numbers that the encoder tells at first sight: hundreds of times quicker, and no better.

    Raises:
        ForethoughtError: the model has no latent variable.
    """
    if level.latent is None:
        raise ForethoughtError(
            "This model has no latent variable, so it knows one way only: train with model.latent.num_codes = 4."
        )
    rows = _rows(past, following)
    if not amortised or level.latent.counted:
        return level.latent.best(level.step, rows, actions, following)
    z = level.explain(rows, actions, following).z
    return z, _in_one_way(level, level.latent, rows, actions, following, z)


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
        ForethoughtError: the temperature is not above 0, or the model's z can't be counted.
    """
    if level.latent is not None and not level.latent.counted:
        raise ForethoughtError(
            "The free energy is a sum over every z, and this model's z are numbers, which can't be counted: ask for the energy "
            "of the best one (temperature 0), or train with model.latent.kind = codes."
        )
    if not temperature > 0:
        raise ForethoughtError(f"The free energy has no temperature {temperature:g}: give one above 0, or ask for `energy`.")
    every = energies(level, past, actions, following)
    return -temperature * (-every / temperature).logsumexp(-1).mean(1)


def _in_one_way(level: Level, latent: Latent, rows: Tensor, actions: Tensor, following: Tensor, z: Tensor) -> Tensor:
    """E(x, y, z) of each block, [B, H]: squared error and the price of saying z [B, H, Z]."""
    return (level.step(rows, actions, z) - following).square().mean(-1) + latent.cost(rows, actions, z)


def _rows(past: Context, following: Tensor) -> Tensor:
    """The row that was observed before each block, [B, H, D]."""
    return torch.cat([past.states[:, -1:], following[:, :-1]], 1)


def _certain(level: Level, past: Context, actions: Tensor, following: Tensor) -> Tensor:
    """What a deterministic model makes of each block, [B, H, D], from the rows observed before it."""
    if level.settings.context == 1:
        return level.step(_rows(past, following), actions, None)
    states, taken = torch.cat([past.states, following], 1), torch.cat([past.actions, actions], 1)
    known = past.states.shape[1]
    blocks = [
        level.rollout(Context(states[:, : known + block], taken[:, : known + block - 1]), actions[:, None, block : block + 1])
        for block in range(actions.shape[1])
    ]
    return torch.cat(blocks, 2)[:, 0]
