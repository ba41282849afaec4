"""Which logged steps were left to chance: where what the model thinks may follow differs by more than a step usually goes.

One outcome was logged where others were as likely. A way over such a step was luck: it says nothing of how far it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from forethought.training.encoded_dataset import EncodedDataset
from forethought.whitening import robust_median
from forethought.world_model.latent import Codes
from forethought.world_model.level import Level

AT_ONCE, ENOUGH = 8192, 30
"""Steps that are looked at together, and steps that tell how sure odds may be."""
CLEARLY = 5
"""Codes foresee different things where these lie so many times further apart than the best code usually misses."""
StochasticCounts = Callable[[], Tensor]
"""Gives the open steps before each row, see `stochastic_steps_before`."""


class Steps(NamedTuple):
    """Logged steps of one level: states [N, D], (macro-)actions [N, A], and the states that followed [N, D]."""

    states: Tensor
    actions: Tensor
    following: Tensor

    @classmethod
    def of(cls, data: EncodedDataset) -> Steps:
        """All of level 1's, in the order of the rows that they begin at."""
        rows = data.valid_starts(1)
        return cls(data.states[rows], data.actions[rows], data.states[rows + 1])


@torch.no_grad()
def is_stochastic(level: Level, steps: Steps) -> Tensor:
    """Which of these steps were open, bool [N]. None are without a latent."""
    moved = (steps.following - steps.states).norm(dim=-1)
    return _spread(level, steps) > (robust_median(moved) or torch.inf)


def _spread(level: Level, steps: Steps) -> Tensor:
    """How far what may follow lies from its mean (root mean square, Euclidean), [N]; 0 without a latent."""
    if level.latent is None:
        return torch.zeros_like(steps.states[:, 0])
    spread = []
    for states, actions in zip(steps.states.split(AT_ONCE), steps.actions.split(AT_ONCE), strict=True):
        # One way each, as heavy as it is likely: what is rare must lead the farther to count as luck.
        chance, share = level.latent.outcomes(states, actions)
        here, taken = (part[:, None].expand(-1, chance.shape[1], -1) for part in (states, actions))
        following = level.step(here, taken, level.latent.draw(here, taken, chance))
        mean = (share[..., None] * following).sum(1, keepdim=True)
        spread.append((share * (following - mean).square().sum(-1)).sum(1).sqrt())
    return torch.cat(spread)


def stochastic_steps(level: Level, data: EncodedDataset) -> Tensor:
    """Which steps of level 1 were open, bool [rows]: the one from each row on; never an episode's last row."""
    found = torch.zeros(len(data.states), dtype=torch.bool)
    found[data.valid_starts(1)] = is_stochastic(level, Steps.of(data)).cpu()
    return found


@torch.no_grad()
def calibrate(level: Level, unlearned: Steps) -> None:
    """Make the odds as sure as they are right where codes foresee different things, if such steps are enough to tell.

    Not at all steps: where codes foresee much the same, odds are there to pass over what foresees badly, and can't be too sure.

    Args:
        level: with codes; another one has no odds. unlearned: steps that foresight has not learned from.
    """
    if not isinstance(level.latent, Codes):
        return
    best, _ = level.latent.best(level.step, *unlearned)
    missed = (level.step(unlearned.states, unlearned.actions, best) - unlearned.following).norm(dim=-1)
    found = _spread(level, unlearned) > CLEARLY * missed.median()
    if int(found.sum()) >= ENOUGH:
        level.latent.calibrate(level.step, *(part[found] for part in unlearned))


def stochastic_steps_before(steps: Tensor) -> Tensor:
    """How many open steps came before each row, int64 [rows]: two rows of an episode where these differ have one between."""
    return torch.cat([steps.new_zeros(1), steps[:-1]]).cumsum(0)
