"""How a level learns that things may go several ways, whichever level it is: along what happened, in the way that it went."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forethought.training.stochastic_transitions import Steps
from forethought.world_model.level import Level
from forethought.world_model.predictors import ResidualMLP

ASKED = 4096
"""Steps that z is asked about, to see how much it tells."""
REVIVE_EVERY, REVIVE_UNTIL = 200, 0.6
"""Steps between two looks for dead codes, and the share of the steps after which there are none."""

PRICED = (0.1, 0.8)
"""Shares of the steps at which z begins to cost something (or codes to cool down), and costs its full price."""


def latent_rollout_loss(
    level: Level, now: Tensor, following: Tensor, actions: Tensor, priced: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """At each step of what happened, what explains it learns (see `Latent.explain`), and the prior from it.

    Each step starts from the state that was imagined, in the way that things went, before it.

    Args:
        level: with a latent variable. now: [B, D]. following: [B, T, D], what came of actions: [B, T, A].
        priced: share of its price that z has to earn. generator: of noise in z.

    Returns:
        The mean squared error of each step, [T], and what z costs and the prior learns, a scalar.
    """
    errors, latent = [], now.new_zeros(())
    for step in range(actions.shape[1]):
        found = level.explain(now, actions[:, step], following[:, step], priced, generator)
        now, latent = found.following, latent + found.loss
        errors.append(nn.functional.mse_loss(now, following[:, step]))
    return torch.stack(errors), latent / actions.shape[1]


def kl_warmup(step: int, steps: int) -> float:
    """Share of z's full price: nothing at first, or the first code to be useful would be the only one ever."""
    free, full = PRICED
    return min(1.0, max(0.0, (step / steps - free) / (full - free)))


def revive(level: Level, step: int, steps: int, generator: torch.Generator) -> None:
    """Now and then, early on, codes that nothing is given to begin again beside the busiest."""
    if step and step % REVIVE_EVERY == 0 and step < steps * REVIVE_UNTIL:
        assert isinstance(level.predictor, ResidualMLP), "the configurator refuses a latent variable with another one"
        first = level.predictor.change[0]
        assert isinstance(first, nn.Linear)
        assert level.latent is not None
        level.latent.revive(first, generator)


@torch.no_grad()
def latent_information(level: Level, steps: Steps) -> float:
    """How much a level's z tells of these steps beyond its prior, mean over the first `ASKED`: bits; 0 where there are none."""
    states, actions, following = (part[:ASKED] for part in steps)
    assert level.latent is not None
    # Being asked is not to count as being used.
    training = level.latent.training
    level.latent.eval()
    found = level.explain(states, actions, following, generator=torch.Generator().manual_seed(0))
    level.latent.train(training)
    return float(found.bits.mean()) if len(states) else 0.0
