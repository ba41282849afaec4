"""Which logged steps were left to chance: where what the model thinks may follow differs by more than a step usually goes.

One outcome was logged where others were as likely. A way over such a step was luck: it says nothing of how far it is. And as
such steps are few (one in a hundred, say), what may follow them is soon learned badly, unless it is looked at more often.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from forethought.learning.states import EncodedStates
from forethought.scale import usual
from forethought.world_model.level import FirstLevel

AT_ONCE, ENOUGH = 8192, 30
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
    """Make the odds as sure as they are right at open steps that nothing was learned from, if these are enough to tell.

    Not at all steps: where hardly anything is open, odds are there to pass over what foresees badly, and can't be too sure.
    """
    rows = torch.nonzero(open_steps(level, kept_back)).squeeze(1)
    if level.latent is not None and len(rows) >= ENOUGH:
        states, actions = kept_back.windows_from(rows, 1)
        level.latent.calibrate(level.step, states[:, 0], actions[:, 0], states[:, 1])


def open_before(steps: Tensor) -> Tensor:
    """How many open steps came before each row, int64 [rows]: two rows of an episode where these differ have one between."""
    return torch.cat([steps.new_zeros(1), steps[:-1]]).cumsum(0)


class OpenWindows(nn.Module):
    """Windows of logged blocks with an open step in them, once it is known which steps are open; a checkpoint keeps these.

    The model meets the step from states that it has seen and from such as it has imagined. A window begins after the last open
    step before its own, if it fits: so whether one is drawn hangs on what was there and what was done, not on how things went
    where that was open, and their odds stay those of the log. (Where chance decides so little that a step is not found open,
    and an open step follows one outcome only, that outcome is seen more often.)
    """

    def __init__(self) -> None:
        """Nothing is known to be open."""
        super().__init__()
        self.steps = torch.zeros(0, dtype=torch.bool)

    def find(self, level: FirstLevel, data: EncodedStates) -> None:
        """Look which steps are open to this level as it is now, see `open_steps`."""
        self.steps = open_steps(level, data)

    def draw(self, data: EncodedStates, count: int, blocks: int, generator: torch.Generator) -> tuple[Tensor, Tensor] | None:
        """Random windows, see `EncodedStates.windows`; None where no step is open in an episode of so many blocks."""
        rows = torch.nonzero(self.steps).squeeze(1)
        episode = torch.searchsorted(data.starts, rows, right=True) - 1
        before = torch.cat([rows.new_full((1,), -1), rows])[:-1]
        last = torch.minimum(rows, data.starts[episode] + data.lengths[episode] - blocks)
        first = torch.stack([before + 1, data.starts[episode], rows - blocks + 1]).amax(0).minimum(last)
        fits = data.lengths[episode] >= blocks
        if not fits.any():
            return None
        first, room = first[fits], (last - first + 1)[fits]
        step = torch.randint(len(first), (count,), generator=generator)
        return data.windows_from(first[step] + (torch.rand(count, generator=generator) * room[step]).long(), blocks)

    def get_extra_state(self) -> Tensor:
        """What a checkpoint keeps: bool [rows], of a length that is known only when all is encoded."""
        return self.steps

    def set_extra_state(self, state: Tensor) -> None:
        """See `get_extra_state`."""
        self.steps = state
