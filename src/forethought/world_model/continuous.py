"""Continuous latent variable with an amortised posterior (VAE); the information in z is limited in one of three ways.

`gaussian`: a KL penalty (variational bound, with free nats: Kingma et al. 2016, 1606.04934, C.8). `sparse`: a Laplace prior,
whose negative logarithm is an L1 penalty, so that most dimensions are near 0 most of the time. `noisy`: z within [-1, 1] plus
Gaussian noise of fixed standard deviation, so that its capacity is a few bits (the paper, section 4.5.2).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Laplace, Normal
from torch.nn import functional
from torch.quasirandom import SobolEngine

from forethought.config import CodesConfig, ContinuousLatentConfig, LatentConfig
from forethought.data_parallel import local_rows, whole_batch, whole_count
from forethought.layers import mlp
from forethought.states import StateMetric
from forethought.whitening import Whitening
from forethought.world_model.inference import infer
from forethought.world_model.latent import Codes, Latent, LatentPosterior, Predict

FREE = 0.05
"""Free nats per dimension of z: without them the posterior collapses to the prior early in training."""
NOISE = {"sparse": 0.1, "noisy": 0.5}
"""Standard deviation of the posterior, where it is not learned."""
MIN_SCALE = 0.01
"""Least scale of any distribution."""
POINTS = 8
"""Quadrature points of the prior."""
EDGE = 1e-4
"""Uniform numbers are clamped to [EDGE, 1 - EDGE], because the quantiles of 0 and 1 are infinite."""


class ContinuousLatent(Latent):
    """Continuous latent variable: z is a vector of Z numbers."""

    counted = False

    def __init__(
        self,
        state_dim: int,
        action_dim: int,
        settings: ContinuousLatentConfig,
        hidden: int,
        metric: StateMetric | None = None,
    ) -> None:
        """The prior reads a state and the action block taken from it; the posterior also reads the next state."""
        super().__init__()
        self.kind, self.kl_weight = settings.kind, settings.kl_weight
        self.size = self.numbers = settings.dim
        self.scale = Whitening(state_dim, metric)
        self.prior_head = mlp(state_dim + action_dim, hidden, 2 * self.size)
        self.encoder = mlp(2 * state_dim + action_dim, hidden, 2 * self.size)

    def prior(self, states: Tensor, actions: Tensor) -> Normal | Laplace:
        """p(z | s, a), independent in each of Z dimensions."""
        mean, scale = self.prior_head(torch.cat([self.scale(states), actions], -1)).chunk(2, -1)
        scale = functional.softplus(scale) + MIN_SCALE
        return Laplace(torch.zeros_like(mean), scale) if self.kind == "sparse" else Normal(mean, scale)

    def posterior(self, states: Tensor, actions: Tensor, following: Tensor) -> Normal:
        """q(z | s, a, s'), the amortised posterior; its standard deviation is learned for `gaussian` only."""
        inputs = torch.cat([self.scale(states), actions, self.scale(following)], -1)
        mean, scale = self.encoder(inputs).chunk(2, -1)
        if self.kind == "gaussian":
            return Normal(mean, functional.softplus(scale) + MIN_SCALE)
        mean = torch.tanh(mean) if self.kind == "noisy" else mean
        return Normal(mean, torch.full_like(mean, NOISE[self.kind]))

    def draw(self, states: Tensor, actions: Tensor, chance: Tensor | None, prior_exponent: float = 1.0) -> Tensor:
        """See `Latent.draw`: quantiles of the prior (inverse transform sampling)."""
        prior = self.prior(states, actions)
        if chance is None:
            return prior.mean
        # To the power `prior_exponent`, a normal density has its variance and a Laplace density its scale divided by it.
        prior = type(prior)(prior.loc, prior.scale / (prior_exponent if self.kind == "sparse" else prior_exponent**0.5))
        z: Tensor = prior.icdf(chance.clamp(EDGE, 1 - EDGE).expand(*prior.mean.shape))  # type: ignore[no-untyped-call]
        return z

    def is_valid(self, z: Tensor) -> bool:
        """See `Latent.is_valid`: any finite vector; noise may carry z beyond [-1, 1]."""
        return bool(z.isfinite().all())

    def outcomes(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """See `Latent.outcomes`: `POINTS` quasi-random points (Sobol) of equal probability."""
        uniform = SobolEngine(self.numbers, scramble=True, seed=0).draw(POINTS).to(states)
        probabilities = states.new_full((*states.shape[:-1], POINTS), 1 / POINTS)
        return uniform.expand(*probabilities.shape, -1), probabilities

    def explain(
        self,
        predict: Predict,
        states: Tensor,
        actions: Tensor,
        following: Tensor,
        kl_factor: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> LatentPosterior:
        """See `Latent.explain`: a sample of the amortised posterior, with a KL penalty; the prior is fitted to it.

        The KL penalty uses a detached prior, so that an untrained prior doesn't collapse the posterior.
        """
        detached_states, detached_actions = states.detach(), actions.detach()
        prior = self.prior(detached_states, detached_actions)
        posterior = self.posterior(detached_states, detached_actions, following.detach())
        z = posterior.mean
        if generator is not None:
            noise = torch.randn(whole_count(len(z)), *z.shape[1:], generator=generator)
            z = z + posterior.stddev * local_rows(noise).to(z)
        prior_loss = -_log_prob(prior, z.detach()).sum(-1).mean()
        information = _log_prob(posterior, z) - _log_prob(_detached(prior), z)
        kl_weight = 0.0 if self.kind == "noisy" else self.kl_weight * kl_factor
        kl_penalty = kl_weight * whole_batch(information).flatten(0, -2).mean(0).clamp_min(FREE).sum()
        return LatentPosterior(z, predict(states, actions, z), information.sum(-1).detach(), prior_loss + kl_penalty)

    def energies(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> Tensor:
        """See `Latent.energies`: of the best z."""
        return self.best(predict, states, actions, following)[1][..., None]

    def best(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """See `Latent.best`: gradient descent from two starts, the means of the posterior and of the prior."""
        both_states, both_actions = states.expand(2, *states.shape), actions.expand(2, *actions.shape)
        prior = self.prior(states, actions)

        def energy_of(z: Tensor) -> Tensor:
            z = self.within(z)
            return (predict(both_states, both_actions, z) - following).square().mean(-1) + self._prior_energy(prior, z)

        starts = torch.stack([self.posterior(states, actions, following).mean, prior.mean])
        z, energies = infer(energy_of, starts)
        energy, start = energies.min(0)
        return self.within(z).gather(0, start[None, ..., None].expand(1, *z.shape[1:])).squeeze(0), energy

    def within(self, z: Tensor) -> Tensor:
        """Project z [..., Z] to the valid range: [-1, 1] for `noisy`, whose capacity is limited only within a bound."""
        return z.clamp(-1, 1) if self.kind == "noisy" else z

    def cost(self, states: Tensor, actions: Tensor, z: Tensor) -> Tensor:
        """See `Latent.cost`: relative to the mode of the prior, so that it is never negative."""
        return self._prior_energy(self.prior(states, actions), z)

    def _prior_energy(self, prior: Distribution, z: Tensor) -> Tensor:
        return self.kl_weight * (_log_prob(prior, prior.mean) - _log_prob(prior, z)).sum(-1)


def _log_prob(distribution: Distribution, z: Tensor) -> Tensor:
    """Log density of each dimension of z."""
    return torch.as_tensor(distribution.log_prob(z))


def _detached(prior: Normal | Laplace) -> Distribution:
    """The same distribution with detached parameters."""
    return type(prior)(prior.loc.detach(), prior.scale.detach())


def make_latent(
    state_dim: int, action_dim: int, settings: LatentConfig, hidden: int, metric: StateMetric | None = None
) -> Latent | None:
    """Build the latent variable that the settings name; None for a deterministic model.

    Args:
        hidden: width of its networks. metric: pools states (None: vectors).
    """
    if isinstance(settings, CodesConfig):
        return Codes(state_dim, action_dim, settings, hidden, metric)
    if isinstance(settings, ContinuousLatentConfig):
        return ContinuousLatent(state_dim, action_dim, settings, hidden, metric)
    return None
