"""A trained world model as an energy-based model: the incompatibility of x and y (the paper, sections 4.1 to 4.3).

x is a state (or the recent past) and the action blocks taken from there; y is the states that followed. The energy is the
squared error per dimension in latent space, plus the cost of z under the prior. A deterministic model has a single z of cost 0.

Over several blocks the energy is the mean of one-step energies: each block is predicted from the observed row before it
(teacher forcing), so one wrong step does not count again in later blocks. For the drift of open-loop prediction see
`Level.rollout`.

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
    """E(x, y, z) of each block, for each code; for the best z if z is continuous (C = 1).

    Args:
        level: the model. past: context of B episodes, the present state last. actions: model units.
        following: the state after each block.
    """
    if level.latent is not None:
        return level.latent.energies(level.step, _rows(past, following), actions, following)
    return (_predict_deterministic(level, past, actions, following) - following).square().mean(-1, keepdim=True)


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
        z: [B, H, Z], of each block, valid by `Latent.is_valid`; None for the best.

    Raises:
        ForethoughtError: a z is given and the model has no latent variable, or the z is not valid.
    """
    if z is not None and level.latent is None:
        raise ForethoughtError("This model has no latent variable, so it takes no z: leave z out.")
    if z is None or level.latent is None:
        return energies(level, past, actions, following).amin(-1).mean(1)
    if z.shape != (*actions.shape[:2], level.latent.size) or not level.latent.is_valid(z):
        expected = [*actions.shape[:2], level.latent.size]
        raise ForethoughtError(
            f"z of shape {list(z.shape)} is not valid: give shape {expected}, one z per block, one-hot for codes and finite "
            "numbers for a continuous latent."
        )
    return _energy_given_z(level, level.latent, _rows(past, following), actions, following, z).mean(1)


def explanation(
    level: Level,
    past: Context,
    actions: Float[Tensor, "B H A"],
    following: Float[Tensor, "B H D"],
    amortised: bool = False,
) -> tuple[Float[Tensor, "B H Z"], Float[Tensor, "B H"]]:
    """Latent inference: the z of minimal energy of each block, and that energy.

    Codes are searched exhaustively; a continuous z by gradient descent (`inference.infer`).

    Args:
        level, past, actions, following: as `energies`.
        amortised: use the posterior mean of the encoder for a continuous z: hundreds of times faster, its energy is no lower.

    Raises:
        ForethoughtError: the model has no latent variable.
    """
    if level.latent is None:
        raise ForethoughtError(
            "This model has no latent variable to infer: train with, for example, model.latent.kind = codes."
        )
    rows = _rows(past, following)
    if not amortised or level.latent.counted:
        return level.latent.best(level.step, rows, actions, following)
    z = level.explain(rows, actions, following).z
    return z, _energy_given_z(level, level.latent, rows, actions, following, z)


def free_energy(
    level: Level, past: Context, actions: Float[Tensor, "B H A"], following: Float[Tensor, "B H D"], temperature: float
) -> Float[Tensor, " B"]:
    """F_beta(x, y) = -T log sum over z of exp(-E(x, y, z) / T), T = 1 / beta, mean over the blocks.

    The soft minimum (Dawid and LeCun 2023, 2306.02572): never above `energy`, at most T log C below it, and equal to `energy`
    in the limit T -> 0. E contains the prior, times the KL weight. If T is the KL weight, F / T is, up to a constant, the
    negative log-likelihood of a mixture with the prior as weights.

    Args:
        level, past, actions, following: as `energies`. temperature: T, in units of energy, above 0.

    Raises:
        ForethoughtError: the temperature is not above 0, or z is continuous.
    """
    if level.latent is not None and not level.latent.counted:
        raise ForethoughtError(
            "The free energy sums over all z, which a continuous latent does not allow: use the energy of the best z "
            "(temperature 0), or train with model.latent.kind = codes."
        )
    if not temperature > 0:
        raise ForethoughtError(f"The free energy has no temperature {temperature:g}: give one above 0, or use `energy`.")
    block_energies = energies(level, past, actions, following)
    return -temperature * (-block_energies / temperature).logsumexp(-1).mean(1)


def _energy_given_z(level: Level, latent: Latent, rows: Tensor, actions: Tensor, following: Tensor, z: Tensor) -> Tensor:
    """E(x, y, z) of each block, [B, H]: squared error plus the cost of z [B, H, Z]."""
    return (level.step(rows, actions, z) - following).square().mean(-1) + latent.cost(rows, actions, z)


def _rows(past: Context, following: Tensor) -> Tensor:
    """The row that was observed before each block, [B, H, D]."""
    return torch.cat([past.states[:, -1:], following[:, :-1]], 1)


def _predict_deterministic(level: Level, past: Context, actions: Tensor, following: Tensor) -> Tensor:
    """One-step prediction of a deterministic model for each block, [B, H, D], from the rows observed before it."""
    if level.settings.context == 1:
        return level.step(_rows(past, following), actions, None)
    all_states, all_actions = torch.cat([past.states, following], 1), torch.cat([past.actions, actions], 1)
    length = past.states.shape[1]
    predictions = []
    for block in range(actions.shape[1]):
        context = Context(all_states[:, : length + block], all_actions[:, : length + block - 1])
        predictions.append(level.rollout(context, actions[:, None, block : block + 1]))
    return torch.cat(predictions, 2)[:, 0]
