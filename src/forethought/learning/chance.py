"""Which logged steps were left to chance: where what the model thinks may follow differs by more than a step usually goes.

One outcome was logged where others were as likely. A way over such a step was luck: it says nothing of how far it is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from forethought.learning.states import EncodedStates
from forethought.scale import usual
from forethought.world_model.latent import Codes
from forethought.world_model.level import FirstLevel

AT_ONCE, ENOUGH = 8192, 30
"""Rows that are looked at together, and open steps that tell how sure odds may be."""
Luck = Callable[[], Tensor]
"""Gives the open steps before each row, see `open_before`."""


@torch.no_grad()
def open_steps(level: FirstLevel, data: EncodedStates) -> Tensor:
    """Which steps were open, bool [rows]: the one from each row on; never an episode's last row. None are without a latent."""
    found = torch.zeros(len(data.states), dtype=torch.bool)
    if level.latent is None:
        return found
    spread = []
    for states, actions in zip(data.states.split(AT_ONCE), data.actions.split(AT_ONCE), strict=True):
        # One way each, as heavy as it is likely: what is rare must lead the farther to count as luck.
        chance, share = level.latent.outcomes(states, actions)
        here, taken = (part[:, None].expand(-1, chance.shape[1], -1) for part in (states, actions))
        following = level.step(here, taken, level.latent.draw(here, taken, chance))
        mean = (share[..., None] * following).sum(1, keepdim=True)
        spread.append((share * (following - mean).square().sum(-1)).sum(1).sqrt())
    going = torch.ones_like(found)
    going[data.starts + data.lengths] = False
    moved = (data.states[1:] - data.states[:-1]).norm(dim=-1).cpu()[going[:-1]]
    found[going] = torch.cat(spread).cpu()[going] > (usual(moved) or torch.inf)
    return found


def calibrate(level: FirstLevel, kept_back: EncodedStates) -> None:
    """Make the odds as sure as they are right at open steps that foresight has not learned from, if these are enough to tell.

    Not at all steps: where hardly anything is open, odds are there to pass over what foresees badly, and can't be too sure.
    """
    rows = torch.nonzero(open_steps(level, kept_back)).squeeze(1)
    if isinstance(level.latent, Codes) and len(rows) >= ENOUGH:
        states, actions = kept_back.windows_from(rows, 1)
        level.latent.calibrate(level.step, states[:, 0], actions[:, 0], states[:, 1])


def open_before(steps: Tensor) -> Tensor:
    """How many open steps came before each row, int64 [rows]: two rows of an episode where these differ have one between."""
    return torch.cat([steps.new_zeros(1), steps[:-1]]).cumsum(0)
