"""The latent variable: what state and action leave open (the paper, section 4.3: "z ... parameterises the set of plausible
predictions").

What z may tell is limited, or it would tell the whole outcome (the paper, section 4.5.2). Four limits behind one interface: few
`Codes` here; few, sparse or noisy numbers in `continuous.py`. Axes: Z numbers of z, C codes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.config import CodesConfig
from forethought.layers import mlp
from forethought.states import StateMetric
from forethought.whitening import Whitening

REVIVED_BELOW = 0.002
"""A code that is given to a smaller share of transitions than this is dead."""
HOT, COLDEST, TINY = 1.0, 1e-6, 1e-12
"""Temperatures, in squared error as states of unit variance have it; and the least share that has a logarithm."""
MEMORY = 0.99
"""Of the running share: weight of the past, per step."""

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""States [..., D], actions [..., A] and z [..., Z] to the states after, [..., D]."""


@dataclass(frozen=True)
class LatentPosterior:
    """Transitions, with the z that explains them.

    Fields:
        z: [..., Z]. following: [..., D], the prediction in that way.
        told: [...], what z tells that the prior did not know, nats.
        loss: what is learned beside the prediction's squared error; a scalar.
    """

    z: Tensor
    following: Tensor
    told: Tensor
    loss: Tensor

    @property
    def bits(self) -> Tensor:
        """Information in z, [...]."""
        return self.told / math.log(2)


class Latent(nn.Module, ABC):
    """One way to limit z, with its learned prior p(z | s, a).

    Attributes:
        size: Z. numbers: how many uniform numbers one draw takes. counted: there are a few z and no others.
        price: squared error (mean over dimensions) that one nat of z has to save.
    """

    size: int
    numbers: int
    counted: bool
    price: float
    scale: Whitening

    @abstractmethod
    def draw(self, states: Tensor, actions: Tensor, chance: Tensor | None, trust: float = 1.0) -> Tensor:
        """A z [..., Z] of the prior, or of p(z | s, a)^trust.

        The same chance gives the same z wherever the prior is the same, so that candidates which share it can be compared.

        Args:
            states: [..., D]. actions: [..., A]. chance: numbers in [0, 1), [..., numbers]; None: the likeliest z.
            trust: in the prior, in (0, 1]. A search over actions finds those few for which a learned prior is sure of its luck,
                and wrong; below 1, what it thinks unlikely is met more often.
        """

    @abstractmethod
    def is_valid(self, z: Tensor) -> bool:
        """Whether every z [..., Z] is one that this kind can say."""

    @abstractmethod
    def outcomes(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Chances that stand for all that may come of states [..., D] and actions [..., A], and the share of each.

        Returns:
            [..., M, numbers] and [..., M], which sums to 1.
        """

    @abstractmethod
    def explain(
        self,
        predict: Predict,
        states: Tensor,
        actions: Tensor,
        following: Tensor,
        priced: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> LatentPosterior:
        """The z of what happened, found with the outcome in sight.

        Args:
            predict: see `Predict`. states, following: [..., D]. actions: [..., A]; what makes states and (macro-)actions learns
                from the prediction, not from the prior.
            priced: share of its price that z has to earn; 0 early on. generator: where z is noisy; None: without noise.
        """

    @abstractmethod
    def energies(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> Tensor:
        """E(x, y, z) for every z that can be counted, [..., C]; for the best one where z is continuous, [..., 1].

        Args: as `explain`.
        """

    @abstractmethod
    def best(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """The z [..., Z] of least energy, and that energy, [...].

        Args: as `explain`.
        """

    @abstractmethod
    def cost(self, states: Tensor, actions: Tensor, z: Tensor) -> Tensor:
        """The price of saying z [..., Z]: what it tells beyond the prior, in units of squared error, [...]."""

    def join(self, actions: Tensor, z: Tensor | None) -> Tensor:
        """Actions [..., A] and z [..., Z] (None: zeros) side by side, [..., A + Z]."""
        return torch.cat([actions, actions.new_zeros(*actions.shape[:-1], self.size) if z is None else z], -1)

    def revive(self, first: nn.Linear, generator: torch.Generator) -> int:
        """Bring what is not in use into use again, where a kind of z knows how; returns how much that was."""
        return 0


class Codes(Latent):
    """z is one of C codes; which of them explains a transition is found by search, and how likely each is, by the prior.

    Attributes:
        share: [C], to how large a share of transitions each code was given of late.
        sureness: scalar in (0, 1], the power that the learned odds are raised to; 1 until `calibrate`.
    """

    numbers, counted = 1, True
    share: Tensor
    sureness: Tensor

    def __init__(
        self, state_dim: int, action_dim: int, settings: CodesConfig, hidden: int, metric: StateMetric | None = None
    ) -> None:
        """Reads a state and the action block taken from it."""
        super().__init__()
        self.size, self.price = settings.num_codes, settings.kl_weight
        self.scale = Whitening(state_dim, metric)
        self.prior = mlp(state_dim + action_dim, hidden, self.size)
        self.register_buffer("share", torch.full((self.size,), 1 / self.size))
        self.register_buffer("sureness", torch.ones(()))

    def every(self, actions: Tensor) -> Tensor:
        """All codes for each action, [..., A] to [..., C, C]."""
        return torch.eye(self.size, dtype=actions.dtype, device=actions.device).expand(*actions.shape[:-1], -1, -1)

    def log_prior(self, states: Tensor, actions: Tensor) -> Tensor:
        """Log p(z | s, a): [..., D] and [..., A] to [..., C], nats."""
        logits: Tensor = self.prior(torch.cat([self.scale(states), actions], -1))
        return (self.sureness * logits).log_softmax(-1)

    def draw(self, states: Tensor, actions: Tensor, chance: Tensor | None, trust: float = 1.0) -> Tensor:
        """See `Latent.draw`: the code whose interval the chance falls into."""
        likely = self.log_prior(states, actions)
        if chance is None:
            return self._named(likely.argmax(-1))
        # Of two reasons not to take the learned odds at their word the greater counts, not both.
        odds = (likely * (trust / self.sureness).clamp(max=1)).softmax(-1)
        return self._named((odds.cumsum(-1)[..., :-1] <= chance).sum(-1))

    def is_valid(self, z: Tensor) -> bool:
        """See `Latent.is_valid`: one code each, as 0 and 1."""
        return bool(((z == 0) | (z == 1)).all() and (z.sum(-1) == 1).all())

    def outcomes(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """See `Latent.outcomes`: the middle of each code's interval."""
        odds = self.log_prior(states, actions).exp()
        return (odds.cumsum(-1) - odds / 2)[..., None], odds

    def ways(self, predict: Predict, states: Tensor, actions: Tensor) -> Tensor:
        """What follows with each code, [..., D] and [..., A] to [..., C, D]."""
        each, beside = states[..., None, :], actions[..., None, :]
        every = self.every(actions)
        return predict(each.expand(*every.shape[:-1], -1), beside.expand(*every.shape[:-1], -1), every)

    def energies(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> Tensor:
        """See `Latent.energies`: of each code."""
        return self.energy(self.ways(predict, states, actions), following, self.log_prior(states, actions))

    def best(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """See `Latent.best`: all are tried."""
        energy, code = self.energies(predict, states, actions, following).min(-1)
        return self._named(code), energy

    def cost(self, states: Tensor, actions: Tensor, z: Tensor) -> Tensor:
        """See `Latent.cost`."""
        return -self.price * (self.log_prior(states, actions) * z).sum(-1)

    def energy(self, ways: Tensor, following: Tensor, likely: Tensor) -> Tensor:
        """E(x, y, z) of each code: squared error and the price of saying so, [..., C] (the paper, section 4.3).

        Args:
            ways: [..., C, D], what is predicted for each code. following: [..., D], what happened. likely: [..., C].
        """
        return (ways - following[..., None, :]).square().mean(-1) - self.price * likely

    def explain(
        self,
        predict: Predict,
        states: Tensor,
        actions: Tensor,
        following: Tensor,
        priced: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> LatentPosterior:
        """See `Latent.explain`: z is the code of least energy, but each learns by its share in the free energy.

        Were it the best alone that learned, a code that begins far from a rare event would never come to explain it, and two
        outcomes would share one code for ever. So learning begins hot, with all codes at the mean of what happens, and cools
        down (deterministic annealing: Rose 1998; Perera et al. 2024, 2407.15580): what differs most parts first. In the end
        a share is the posterior p(z | s, a, s'), and where codes foresee the same, z tells nothing.
        """
        likely = self.log_prior(states.detach(), actions.detach())
        ways = self.ways(predict, states, actions)
        energy = self.energy(ways, following, likely.detach())
        share = (-energy / self._temperature(priced)).softmax(-1).detach()
        chosen = share.argmax(-1)
        if self.training:
            self._note(chosen)
        told = (share * (share.clamp_min(TINY).log() - likely)).sum(-1)
        # Who calls this adds the error of the best; here the prior, detached, adds a constant to each.
        others = (share * energy).sum(-1) - energy.gather(-1, chosen[..., None]).squeeze(-1)
        best = ways.gather(-2, chosen[..., None, None].expand(*chosen.shape, 1, ways.shape[-1])).squeeze(-2)
        return LatentPosterior(self._named(chosen), best, told, (told + others).mean())

    def _temperature(self, priced: float) -> float:
        """From `HOT` where z is free yet, by equal factors, down to the price, at which a share is a posterior."""
        cold = max(self.price, COLDEST)
        return float(HOT * (cold / HOT) ** priced)

    @torch.no_grad()
    def calibrate(self, predict: Predict, states: Tensor, actions: Tensor, following: Tensor) -> None:
        """Make the prior as sure as it is right, by the power of its odds by which unlearned steps [N, ...] surprise least.

        A prior learns from coins that fell once each, and learns some of them by heart; one number mends most of that
        (temperature scaling: Guo et al. 2017, 1706.04599, section 4.2). Args: as `explain`.
        """
        # A new tensor each time: a step that is still to be learned from may hold the old one.
        self.sureness = torch.ones_like(self.sureness)
        likely = self.log_prior(states, actions)
        error = (self.ways(predict, states, actions) - following[..., None, :]).square().mean(-1)
        powers = torch.arange(20, 0, -1, device=states.device) / 20
        tried = (powers[:, None, None] * likely).log_softmax(-1)
        surprise = -(tried - error / self._temperature(1.0)).logsumexp(-1).mean(-1)
        self.sureness = powers[surprise.argmin()].clone()

    @torch.no_grad()
    def revive(self, first: nn.Linear, generator: torch.Generator) -> int:
        """Make each dead code a twin of the busiest one, a little beside it; returns how many were dead.

        Args:
            first: the predictor's first layer, which reads the code in its last C inputs. generator: of what sets twins apart.
        """
        dead = torch.nonzero(self.share < REVIVED_BELOW).flatten().tolist()
        last = self.prior[-1]
        assert isinstance(last, nn.Linear)
        columns = first.weight[:, -self.size :]
        for code in dead:
            busiest = int(self.share.argmax())
            aside = torch.randn(columns.shape[0], generator=generator).to(columns) * columns.std() * 0.5
            columns[:, code] = columns[:, busiest] + aside
            last.weight[code], last.bias[code] = last.weight[busiest], last.bias[busiest]
            self.share[busiest] /= 2
            self.share[code] = self.share[busiest]
        return len(dead)

    @torch.no_grad()
    def _note(self, chosen: Tensor) -> None:
        """Keep count of which codes are in use; `chosen`: int64 [...]."""
        self.share.lerp_(self._named(chosen).flatten(0, -2).mean(0), 1 - MEMORY)

    def _named(self, code: Tensor) -> Tensor:
        """Codes int64 [...] as z, [..., C]."""
        return functional.one_hot(code, self.size).to(self.share.dtype)
