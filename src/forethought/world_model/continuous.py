"""A latent variable of few numbers, told by an encoder that sees the outcome; what it may tell is limited in one of 3 ways.

`gaussian`: as sure of z as is worth its price (a variational bound, with free nats: Kingma et al. 2016, 1606.04934, C.8).
`sparse`: a Laplace prior, whose -log is an L1 price, so that most numbers stay 0 most of the time. `noisy`: z within [-1, 1] is
heard through noise of a set strength, so that it holds few bits whatever it would tell (the paper, section 4.5.2).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Laplace, Normal
from torch.nn import functional
from torch.quasirandom import SobolEngine

from forethought.config import CodesConfig, ContinuousLatentConfig, LatentConfig
from forethought.layers import mlp
from forethought.states import StateMetric
from forethought.whitening import Whitening
from forethought.world_model.inference import infer
from forethought.world_model.latent import Codes, Latent, LatentPosterior, Predict

FREE = 0.05
"""Nats per number that cost nothing: without them z dies before it has learned to say anything."""
NOISE = {"sparse": 0.1, "noisy": 0.5}
"""Standard deviation of z around what is told, where it is not learned."""
LEAST = 0.01
"""Least scale of any distribution."""
POINTS = 8
"""Of the prior, that stand for all of it."""
EDGE = 1e-4
"""Chances are kept this far from 0 and 1, where a quantile is infinite."""


class ContinuousLatent(Latent):
    """z is a vector of few numbers."""

    counted = False

    def __init__(
        self,
        state_dim: int,
        action_dim: int,
        settings: ContinuousLatentConfig,
        hidden: int,
        metric: StateMetric | None = None,
    ) -> None:
        """Reads a state, the action block taken from it, and (to explain) the state after."""
        super().__init__()
        self.kind, self.price = settings.kind, settings.kl_weight
        self.size = self.numbers = settings.dim
        self.scale = Whitening(state_dim, metric)
        self.prior_head = mlp(state_dim + action_dim, hidden, 2 * self.size)
        self.encoder = mlp(2 * state_dim + action_dim, hidden, 2 * self.size)

    def prior(self, states: Tensor, actions: Tensor) -> Normal | Laplace:
        """p(z | s, a), independent in each of Z numbers."""
        place, spread = self.prior_head(torch.cat([self.scale(states), actions], -1)).chunk(2, -1)
        spread = functional.softplus(spread) + LEAST
        return Laplace(torch.zeros_like(place), spread) if self.kind == "sparse" else Normal(place, spread)

    def posterior(self, states: Tensor, actions: Tensor, following: Tensor) -> Normal:
        """q(z | s, a, s'): what the encoder tells of an outcome, as sharply as it is allowed to."""
        seen = torch.cat([self.scale(states), actions, self.scale(following)], -1)
        place, spread = self.encoder(seen).chunk(2, -1)
        if self.kind == "gaussian":
            return Normal(place, functional.softplus(spread) + LEAST)
        told = torch.tanh(place) if self.kind == "noisy" else place
        return Normal(told, torch.full_like(told, NOISE[self.kind]))

    def draw(self, states: Tensor, actions: Tensor, chance: Tensor | None, trust: float = 1.0) -> Tensor:
        """See `Latent.draw`: the quantiles of the prior at these chances."""
        prior = self.prior(states, actions)
        if chance is None:
            return prior.mean
        # The power of a normal density is one of variance / trust, that of a Laplace density one of scale / trust.
        prior = type(prior)(prior.loc, prior.scale / (trust if self.kind == "sparse" else trust**0.5))
        drawn: Tensor = prior.icdf(chance.clamp(EDGE, 1 - EDGE).expand(*prior.mean.shape))  # type: ignore[no-untyped-call]
        return drawn

    def is_valid(self, z: Tensor) -> bool:
        """See `Latent.is_valid`: any number, for what is heard through noise may lie beyond what may be told."""
        return bool(z.isfinite().all())

    def outcomes(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """See `Latent.outcomes`: `POINTS` spread evenly, each as likely."""
        chance = SobolEngine(self.numbers, scramble=True, seed=0).draw(POINTS).to(states)
        share = states.new_full((*states.shape[:-1], POINTS), 1 / POINTS)
        return chance.expand(*share.shape, -1), share

    def explain(
        self,
        predict: Predict,
        states: Tensor,
        actions: Tensor,
        following: Tensor,
        priced: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> LatentPosterior:
        """See `Latent.explain`: what the encoder tells; it pays for it, and the prior learns to expect it.

        Price and prior are apart, so that a prior which has not learned yet doesn't silence the encoder.
        """
        here, taken = states.detach(), actions.detach()
        prior, posterior = self.prior(here, taken), self.posterior(here, taken, following.detach())
        z = posterior.mean
        if generator is not None:
            z = z + posterior.stddev * torch.randn(z.shape, generator=generator).to(z)
        expected = -_log(prior, z.detach()).sum(-1).mean()
        told = _log(posterior, z) - _log(_fixed(prior), z)
        price = 0.0 if self.kind == "noisy" else self.price * priced
        paid = price * told.flatten(0, -2).mean(0).clamp_min(FREE).sum()
        return LatentPosterior(z, predict(states, actions, z), told.sum(-1).detach(), expected + paid)

    def energies(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> Tensor:
        """See `Latent.energies`: of the best z."""
        return self.best(predict, states, actions, following)[1][..., None]

    def best(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """See `Latent.best`: of what may be told, looked for from what the encoder tells and from the likeliest."""
        here, taken = states.expand(2, *states.shape), actions.expand(2, *actions.shape)
        prior = self.prior(states, actions)

        def energy_of(z: Tensor) -> Tensor:
            z = self.within(z)
            return (predict(here, taken, z) - following).square().mean(-1) + self._price(prior, z)

        starts = torch.stack([self.posterior(states, actions, following).mean, prior.mean])
        z, found = infer(energy_of, starts)
        energy, which = found.min(0)
        return self.within(z).gather(0, which[None, ..., None].expand(1, *z.shape[1:])).squeeze(0), energy

    def within(self, z: Tensor) -> Tensor:
        """The nearest z that may be told, [..., Z]: whatever is heard through noise must not shout."""
        return z.clamp(-1, 1) if self.kind == "noisy" else z

    def cost(self, states: Tensor, actions: Tensor, z: Tensor) -> Tensor:
        """See `Latent.cost`: measured from the prior's likeliest z, so that it is never below 0."""
        return self._price(self.prior(states, actions), z)

    def _price(self, prior: Distribution, z: Tensor) -> Tensor:
        return self.price * (_log(prior, prior.mean) - _log(prior, z)).sum(-1)


def _log(distribution: Distribution, z: Tensor) -> Tensor:
    """Log density of each number."""
    return torch.as_tensor(distribution.log_prob(z))


def _fixed(prior: Normal | Laplace) -> Distribution:
    """The same distribution, not learning."""
    return type(prior)(prior.loc.detach(), prior.scale.detach())


def make_latent(
    state_dim: int, action_dim: int, settings: LatentConfig, hidden: int, metric: StateMetric | None = None
) -> Latent | None:
    """The latent variable that the settings name; None: the deterministic model.

    Args:
        hidden: width of its networks. metric: pools states (None: vectors).
    """
    if isinstance(settings, CodesConfig):
        return Codes(state_dim, action_dim, settings, hidden, metric)
    if isinstance(settings, ContinuousLatentConfig):
        return ContinuousLatent(state_dim, action_dim, settings, hidden, metric)
    return None
