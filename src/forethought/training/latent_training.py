"""Training of a level with a latent variable: rollout loss under the inferred z, KL warm-up, and information in z.

It serves level 1 and the levels above alike.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forethought.training.stochastic_transitions import Steps
from forethought.world_model.level import Level
from forethought.world_model.predictors import ResidualMLP

INFORMATION_STEPS = 4096
"""Logged steps over which the information in z is averaged."""
REVIVE_EVERY, REVIVE_UNTIL = 200, 0.6
"""Optimiser steps between two resets of dead codes; share of all steps after which no code is reset."""

WARM_UP = (0.1, 0.8)
"""Shares of the steps at which the KL weight (or the cooling of codes) starts to grow and is complete."""


def latent_rollout_loss(
    level: Level, now: Tensor, following: Tensor, actions: Tensor, kl_factor: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Rollout loss with the inferred z of each logged step; posterior and prior learn too (see `Latent.explain`).

    Each step starts from the state that was predicted, with the inferred z, for the step before.

    Args:
        level: with a latent variable. now: [B, D]. following: [B, T, D], the states after the actions. actions: [B, T, A].
        kl_factor: factor of the KL weight, 0 to 1. generator: for noise in z.

    Returns:
        The mean squared error of each step, [T], and the loss of posterior and prior, a scalar.
    """
    errors, latent = [], now.new_zeros(())
    for step in range(actions.shape[1]):
        posterior = level.explain(now, actions[:, step], following[:, step], kl_factor, generator)
        now, latent = posterior.following, latent + posterior.loss
        errors.append(nn.functional.mse_loss(now, following[:, step]))
    return torch.stack(errors), latent / actions.shape[1]


def kl_warmup(step: int, steps: int) -> float:
    """Factor of the KL weight, 0 to 1. It starts at 0: otherwise all data collapse onto the first useful code."""
    start, end = WARM_UP
    return min(1.0, max(0.0, (step / steps - start) / (end - start)))


def revive(level: Level, step: int, steps: int, generator: torch.Generator) -> None:
    """Reset dead codes to noisy copies of the most used code, every `REVIVE_EVERY` steps of the early part of training."""
    if step and step % REVIVE_EVERY == 0 and step < steps * REVIVE_UNTIL:
        assert isinstance(level.predictor, ResidualMLP), "the configurator refuses a latent variable with another one"
        first = level.predictor.change[0]
        assert isinstance(first, nn.Linear)
        assert level.latent is not None
        level.latent.revive(first, generator)


@torch.no_grad()
def latent_information(level: Level, steps: Steps) -> float:
    """Information in z beyond the prior (KL of posterior and prior), bits, mean over the first `INFORMATION_STEPS` steps.

    It is 0 if there are no steps.
    """
    some = steps.chosen(slice(INFORMATION_STEPS))
    assert level.latent is not None
    # Evaluation mode: this inference must not update the usage counts of codes.
    training = level.latent.training
    level.latent.eval()
    posterior = level.explain(some.states, some.actions, some.following, generator=torch.Generator().manual_seed(0))
    level.latent.train(training)
    return float(posterior.bits.mean()) if len(some.states) else 0.0
