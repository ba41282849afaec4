"""Scenarios: S futures of each plan, sampled from the latent variable, and a risk measure of their costs.

All candidates share the samples from the prior. The latent variable is sampled, never optimized together with the actions: the
agent does not control it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from forethought.actor.episode_rng import EpisodeGenerators
from forethought.config import RiskConfig
from forethought.world_model.level import Context, Level

Risk = Literal["mean", "mean_std", "cvar", "worst"]
BELOW_ONE = 1 - 2**-24
"""The largest float32 below 1."""


@dataclass(frozen=True)
class Scenarios:
    """The futures in which plans are evaluated, and the risk measure of their energies.

    Fields:
        chance: [B, S, H, numbers], uniform in [0, 1), give the latent samples; candidates share them (common random numbers).
        risk, cvar_level: see `RiskConfig`. prior_exponent: exponent of the prior, see `RiskConfig.prior_exponent`.
    """

    chance: Tensor
    risk: Risk
    cvar_level: float
    prior_exponent: float = 1.0

    @property
    def risk_averse(self) -> bool:
        """Whether the risk measure is risk-averse."""
        return self.risk != "mean"

    def of(self, rows: Tensor) -> Scenarios:
        """The scenarios of the episodes `rows`."""
        return replace(self, chance=self.chance[rows])

    def weigh(self, energies: Tensor) -> Tensor:
        """The risk measure of energies, [B, K, S] to [B, K]."""
        if self.risk == "worst":
            return energies.amax(-1)
        if self.risk == "mean_std":
            return energies.mean(-1) + self.cvar_level * energies.std(-1, correction=0)
        if self.risk == "cvar":
            return cvar(energies, self.cvar_level)
        return energies.mean(-1)


def rollout_scenarios(
    futures: Scenarios | None, rollout: Callable[[Tensor, Tensor | None, float], Tensor]
) -> Callable[[Tensor], Tensor]:
    """A rollout of all plans in the same scenarios, for a planner: [B, K, H, A] to [B, K, S, H, D].

    Args:
        futures: None for the most probable future only, without the axis S.
        rollout: actions [B, N, H, A], chance [B, N, H, numbers] (None: the most probable future) and prior_exponent to states
            [B, N, H, D].
    """
    if futures is None:
        return lambda actions: rollout(actions, None, 1.0)
    count = futures.chance.shape[1]

    def rollout_all(actions: Tensor) -> Tensor:
        num_plans = actions.shape[1]
        chance = futures.chance[:, None].expand(-1, num_plans, -1, -1, -1).flatten(1, 2)
        return torch.unflatten(
            rollout(actions.repeat_interleave(count, 1), chance, futures.prior_exponent), 1, (num_plans, count)
        )

    return rollout_all


def risk_adjusted(futures: Scenarios | None, energy: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The risk-adjusted energy of states from `rollout_scenarios`, for a planner. `energy`: of plans with one future each."""
    if futures is None:
        return energy

    def adjusted(states: Tensor, actions: Tensor) -> Tensor:
        energies = energy(states.flatten(1, 2), actions.repeat_interleave(states.shape[2], 1))
        return futures.weigh(torch.unflatten(energies, 1, states.shape[1:3]))

    return adjusted


def sample_scenarios(risk: RiskConfig, streams: EpisodeGenerators, horizon: int, numbers: int) -> Scenarios | None:
    """Scenarios of one search, None for a single future; the samples of each episode come from its own generator.

    `numbers`: see `Level.numbers`.
    """
    if risk.num_scenarios == 1 or numbers == 0:
        return None
    chance = latin_hypercube(streams, risk.num_scenarios, horizon, numbers)
    return Scenarios(chance, risk.measure, risk.cvar_level, prior_exponent(risk))


def risk_averse(risk: RiskConfig) -> bool:
    """Whether planning is risk-averse; this needs several scenarios."""
    return risk.measure != "mean" and risk.num_scenarios > 1


def prior_exponent(risk: RiskConfig) -> float:
    """Exponent of the prior's probabilities: below 1 flattens the prior of a risk-averse agent, 1 if risk-neutral."""
    return risk.prior_exponent if risk_averse(risk) else 1.0


def latin_hypercube(streams: EpisodeGenerators, samples: int, horizon: int, numbers: int) -> Tensor:
    """Uniform samples [B, S, H, numbers] in [0, 1), stratified at each step: they cover every event of probability 1 / S."""
    return stratified_uniform(streams.uniform(samples, horizon, numbers), streams.uniform(samples, horizon, numbers))


def stratified_uniform(within: Tensor, order: Tensor) -> Tensor:
    """Stratified samples [B, S, ...], one in each of S equal parts of [0, 1) (McKay et al. 1979).

    Args: within: uniform position within a part. order: uniform; its ranks are the permutation of the parts.
    """
    samples = within.shape[1]
    # Rounding could give 1, which is outside [0, 1).
    return ((order.argsort(1) + within) / samples).clamp_max(BELOW_ONE)


def cvar(energies: Tensor, cvar_level: float) -> Tensor:
    """Mean of the worst share 1 - cvar_level of S equally likely energies, [..., S] to [...] (Rockafellar and Uryasev 2000).

    At level 0 it is the mean, towards 1 the maximum. The last energy within the share counts with its fraction.
    """
    count = energies.shape[-1]
    tail = max((1 - cvar_level) * count, 1.0)
    sorted_energies = energies.sort(-1, descending=True).values
    weight = (tail - torch.arange(count, device=energies.device)).clamp(0, 1)
    return (sorted_energies * weight).sum(-1) / tail


def sample_rollouts(level: Level, context: Context, actions: Tensor, samples: int, streams: EpisodeGenerators) -> Tensor:
    """Sampled rollouts of blocks [B, H, A]: [B, S, H, D], equally probable; S is 1 for a deterministic level."""
    if level.latent is None:
        return level.rollout(context, actions[:, None])
    chance = latin_hypercube(streams, samples, actions.shape[1], level.latent.numbers)
    return level.rollout(context, actions[:, None].expand(-1, samples, -1, -1), chance)
