"""Scenarios: several futures of one plan, S samples of the latent variable, and one cost of them all (risk).

The samples come from the prior, the same ones for all candidates. They are never chosen together with the actions: the
cheapest future is what one would wish for, not what one does.
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
"""The largest single below 1."""


@dataclass(frozen=True)
class Scenarios:
    """Which futures a plan is imagined in, and what counts of their energies.

    Fields:
        chance: [B, S, H, numbers], in [0, 1), that decide how the world goes on; candidates share them (common random numbers).
        risk, cvar_level: see `RiskConfig`. trust: see `Latent.draw`.
    """

    chance: Tensor
    risk: Risk
    cvar_level: float
    trust: float = 1.0

    @property
    def wary(self) -> bool:
        """Whether bad luck counts for more than its odds."""
        return self.risk != "mean"

    def of(self, rows: Tensor) -> Scenarios:
        """Those of some of the B episodes."""
        return replace(self, chance=self.chance[rows])

    def weigh(self, energies: Tensor) -> Tensor:
        """[B, K, S] to [B, K]."""
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
    """A level's rollout as a planner sees it: [B, K, H, A] to [B, K, S, H, D], all plans in the same futures.

    Args:
        futures: None for the likeliest one alone, without an axis S.
        rollout: actions [B, N, H, A], chance [B, N, H, numbers] (None: in the likeliest way) and trust to states [B, N, H, D].
    """
    if futures is None:
        return lambda actions: rollout(actions, None, 1.0)
    count = futures.chance.shape[1]

    def imagine(actions: Tensor) -> Tensor:
        tried = actions.shape[1]
        chance = futures.chance[:, None].expand(-1, tried, -1, -1, -1).flatten(1, 2)
        return torch.unflatten(rollout(actions.repeat_interleave(count, 1), chance, futures.trust), 1, (tried, count))

    return imagine


def risk_adjusted(futures: Scenarios | None, energy: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A level's energy as a planner sees it: of what `rollout_scenarios` gives. `energy`: of plans with one future each."""
    if futures is None:
        return energy

    def price(states: Tensor, actions: Tensor) -> Tensor:
        every = energy(states.flatten(1, 2), actions.repeat_interleave(states.shape[2], 1))
        return futures.weigh(torch.unflatten(every, 1, states.shape[1:3]))

    return price


def sample_scenarios(risk: RiskConfig, streams: EpisodeGenerators, horizon: int, numbers: int) -> Scenarios | None:
    """Futures for one search, or None where one is enough; each episode's chance comes from its own stream.

    `numbers`: see `Level.numbers`.
    """
    if risk.num_scenarios == 1 or numbers == 0:
        return None
    chance = latin_hypercube(streams, risk.num_scenarios, horizon, numbers)
    return Scenarios(chance, risk.measure, risk.cvar_level, prior_exponent(risk))


def wary(risk: RiskConfig) -> bool:
    """Whether bad luck counts for more than its odds: among several futures, for of one nothing is better or worse."""
    return risk.measure != "mean" and risk.num_scenarios > 1


def prior_exponent(risk: RiskConfig) -> float:
    """The power to which the odds are raised: who fears no bad luck takes them at their word."""
    return risk.prior_exponent if wary(risk) else 1.0


def latin_hypercube(streams: EpisodeGenerators, samples: int, horizon: int, numbers: int) -> Tensor:
    """In [0, 1), [B, S, H, numbers]: at each step one in each of S equal parts, so that what has the chance 1 / S is met."""
    return stratified_uniform(streams.uniform(samples, horizon, numbers), streams.uniform(samples, horizon, numbers))


def stratified_uniform(within: Tensor, order: Tensor) -> Tensor:
    """Chances [B, S, ...], one in each of S equal parts of [0, 1) (McKay et al. 1979); of two uniform numbers each."""
    samples = within.shape[1]
    # Rounded, the highest would be 1, which is nobody's chance.
    return ((order.argsort(1) + within) / samples).clamp_max(BELOW_ONE)


def cvar(energies: Tensor, cvar_level: float) -> Tensor:
    """Mean of the worst share 1 - cvar_level of S equally likely energies, [..., S] to [...] (Rockafellar and Uryasev 2000).

    At level 0 the mean; towards 1 the worst. The last of the worst counts with the fraction of it that is within the share.
    """
    count = energies.shape[-1]
    inside = max((1 - cvar_level) * count, 1.0)
    worst = energies.sort(-1, descending=True).values
    weight = (inside - torch.arange(count, device=energies.device)).clamp(0, 1)
    return (worst * weight).sum(-1) / inside


def sample_rollouts(level: Level, context: Context, actions: Tensor, samples: int, streams: EpisodeGenerators) -> Tensor:
    """Where blocks [B, H, A] may lead: [B, S, H, D], each future as likely; of a deterministic level there is one."""
    if level.latent is None:
        return level.rollout(context, actions[:, None])
    chance = latin_hypercube(streams, samples, actions.shape[1], level.latent.numbers)
    return level.rollout(context, actions[:, None].expand(-1, samples, -1, -1), chance)
