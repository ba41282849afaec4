"""Aleatoric uncertainty of logged steps: which steps are stochastic according to the latent-variable model.

A step is stochastic if the predicted next states spread by more than the length of a typical step. The log holds one outcome
where others were as likely. So a path over such a step does not bound the distance between its ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from forethought.training.encoded_dataset import EncodedDataset
from forethought.whitening import robust_median
from forethought.world_model.latent import Codes
from forethought.world_model.level import Level

CHUNK, ENOUGH = 8192, 30
"""Steps in one forward pass; least number of steps for calibrating the prior."""
CLEARLY = 5
"""The codes predict different outcomes where the spread is at least this multiple of the best code's median error."""
StochasticCounts = Callable[[], Tensor]
"""Returns the number of stochastic steps before each row, see `stochastic_steps_before`."""


@dataclass(frozen=True)
class Steps:
    """Logged steps of one level: states [N, D], (macro-)actions [N, A] and next states [N, D]."""

    states: Tensor
    actions: Tensor
    following: Tensor

    @classmethod
    def of(cls, data: EncodedDataset) -> Steps:
        """All steps of level 1, ordered by their first row."""
        rows = data.valid_starts(1)
        return cls(data.states[rows], data.actions[rows], data.states[rows + 1])

    def chosen(self, which: Tensor | slice) -> Steps:
        """Some of the steps."""
        return Steps(self.states[which], self.actions[which], self.following[which])


@torch.no_grad()
def is_stochastic(level: Level, steps: Steps) -> Tensor:
    """Which of these steps are stochastic, bool [N]; none without a latent variable."""
    step_lengths = (steps.following - steps.states).norm(dim=-1)
    return _spread(level, steps) > (robust_median(step_lengths) or torch.inf)


def _spread(level: Level, steps: Steps) -> Tensor:
    """Standard deviation of the predicted next state (root mean square Euclidean distance to its mean), [N].

    It is 0 without a latent variable.
    """
    if level.latent is None:
        return torch.zeros_like(steps.states[:, 0])
    spread = []
    for states, actions in zip(steps.states.split(CHUNK), steps.actions.split(CHUNK), strict=True):
        # Each outcome is weighted by its probability: a rare outcome must lie farther away to make a step stochastic.
        uniform, probabilities = level.latent.outcomes(states, actions)
        states, actions = (part[:, None].expand(-1, uniform.shape[1], -1) for part in (states, actions))
        following = level.step(states, actions, level.latent.draw(states, actions, uniform))
        mean = (probabilities[..., None] * following).sum(1, keepdim=True)
        spread.append((probabilities * (following - mean).square().sum(-1)).sum(1).sqrt())
    return torch.cat(spread)


def stochastic_steps(level: Level, data: EncodedDataset) -> Tensor:
    """Which steps of level 1 are stochastic, bool [rows]: the step that starts at each row. An episode's last row is False."""
    stochastic = torch.zeros(len(data.states), dtype=torch.bool)
    stochastic[data.valid_starts(1)] = is_stochastic(level, Steps.of(data)).cpu()
    return stochastic


@torch.no_grad()
def calibrate(level: Level, unlearned: Steps) -> None:
    """Calibrate the prior over codes on steps where the codes predict different outcomes, if there are enough of them.

    Other steps are left out. There the codes predict nearly the same state, so the prior's confidence cannot be wrong.

    Args:
        level: nothing happens unless its latent variable is `Codes`. unlearned: held-out steps of the predictor.
    """
    if not isinstance(level.latent, Codes):
        return
    best, _ = level.latent.best(level.step, unlearned.states, unlearned.actions, unlearned.following)
    errors = (level.step(unlearned.states, unlearned.actions, best) - unlearned.following).norm(dim=-1)
    separated = _spread(level, unlearned) > CLEARLY * errors.median()
    if int(separated.sum()) >= ENOUGH:
        clear = unlearned.chosen(separated)
        level.latent.calibrate(level.step, clear.states, clear.actions, clear.following)


def stochastic_steps_before(steps: Tensor) -> Tensor:
    """Number of stochastic steps before each row, int64 [rows].

    If two rows of an episode have different counts, a stochastic step lies between them.
    """
    return torch.cat([steps.new_zeros(1), steps[:-1]]).cumsum(0)
