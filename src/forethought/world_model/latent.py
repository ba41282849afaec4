"""The latent variable: what state and action leave open (the paper, section 4.3: "z ... parameterises the set of plausible
predictions").

Discrete, so that it holds little: `codes` values, with a learned prior p(z | s, a). Axes: S samples of z, C codes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.layers import mlp
from forethought.scale import Whitening
from forethought.settings import WorldModelSettings

REVIVED_BELOW = 0.002
"""A code that is given to a smaller share of transitions than this is dead."""
MEMORY = 0.99
"""Of the running share: weight of the past, per step."""


class Codes(nn.Module):
    """z is one of C codes; which of them explains a transition is found by search, and how likely each is, by the prior.

    Attributes:
        codes: C. price: squared error (mean over dimensions) that one nat of z has to save.
        share: [C], to how large a share of transitions each code was given of late.
    """

    share: Tensor

    def __init__(self, state_dim: int, action_dim: int, settings: WorldModelSettings) -> None:
        """Reads a state and the action block taken from it."""
        super().__init__()
        self.codes, self.price = settings.codes, settings.code_price
        self.scale = Whitening(state_dim)
        self.prior = mlp(state_dim + action_dim, settings.hidden, self.codes)
        self.register_buffer("share", torch.full((self.codes,), 1 / self.codes))

    def join(self, actions: Tensor, code: Tensor | None) -> Tensor:
        """Actions [..., A] and codes (int64 [...]; None: all zeros) side by side, [..., A + C]."""
        if code is None:
            return torch.cat([actions, actions.new_zeros(*actions.shape[:-1], self.codes)], -1)
        return torch.cat([actions, functional.one_hot(code, self.codes).to(actions)], -1)

    def beside(self, actions: Tensor) -> Tensor:
        """Each action with each code, [..., A] to [..., C, A + C]."""
        every = torch.arange(self.codes, device=actions.device).expand(*actions.shape[:-1], -1)
        return self.join(actions[..., None, :].expand(*every.shape, -1), every)

    def log_prior(self, states: Tensor, actions: Tensor) -> Tensor:
        """Log p(z | s, a): [..., D] and [..., A] to [..., C], nats."""
        logits: Tensor = self.prior(torch.cat([self.scale(states), actions], -1))
        return logits.log_softmax(-1)

    def draw(self, states: Tensor, actions: Tensor, chance: Tensor | None) -> Tensor:
        """Codes int64 [...] by the prior: the one whose interval `chance` [...] falls into; None: the likeliest.

        The same chance gives the same code wherever the prior is the same, so that candidates which share it can be compared.
        """
        likely = self.log_prior(states, actions)
        if chance is None:
            return likely.argmax(-1)
        return (likely.exp().cumsum(-1)[..., :-1] <= chance[..., None]).sum(-1)

    def energy(self, ways: Tensor, following: Tensor, likely: Tensor) -> Tensor:
        """E(x, y, z) of each code: squared error and the price of saying so, [..., C] (the paper, section 4.3).

        Args:
            ways: [..., C, D], what is predicted for each code. following: [..., D], what happened. likely: [..., C].
        """
        return (ways - following[..., None, :]).square().mean(-1) - self.price * likely

    @torch.no_grad()
    def note(self, chosen: Tensor) -> None:
        """Keep count of which codes are in use; `chosen`: int64 [...]."""
        self.share.lerp_(functional.one_hot(chosen.flatten(), self.codes).float().mean(0), 1 - MEMORY)

    @torch.no_grad()
    def revive(self, first: nn.Linear, generator: torch.Generator) -> int:
        """Make each dead code a twin of the busiest one, a little beside it; returns how many were dead.

        Args:
            first: the predictor's first layer, which reads the code in its last C inputs. generator: of what sets twins apart.
        """
        dead = torch.nonzero(self.share < REVIVED_BELOW).flatten().tolist()
        last = self.prior[-1]
        assert isinstance(last, nn.Linear)
        columns = first.weight[:, -self.codes :]
        for code in dead:
            busiest = int(self.share.argmax())
            apart = torch.randn(columns.shape[0], generator=generator).to(columns) * columns.std() * 0.5
            columns[:, code] = columns[:, busiest] + apart
            last.weight[code], last.bias[code] = last.weight[busiest], last.bias[busiest]
            self.share[busiest] /= 2
            self.share[code] = self.share[busiest]
        return len(dead)


def bits(likely: Tensor, chosen: Tensor) -> Tensor:
    """How much the choice tells that was not known before: -log2 p(chosen), [...] (information in z, bits)."""
    return -likely.gather(-1, chosen[..., None]).squeeze(-1) / math.log(2)
