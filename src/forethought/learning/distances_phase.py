"""The phase of distances: how far states of the levels above are from one another, when nothing else moves any more.

While encoders learn, distances chase them, and are the last to be right: a small part of the state, such as a key in hand, may
be worth forty blocks. Here the states stand still, each row's is made once, and the heads alone learn on, in larger batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from forethought.cost.reachability import ReachabilityLoss
from forethought.learning.chance import Luck
from forethought.learning.critic_phase import EncodeOnce
from forethought.learning.phases import Phase, Terms, parameters_of
from forethought.learning.states import EncodedStates
from forethought.modules import Modules, climb
from forethought.settings import Configuration

SAME_EPISODE, ALIKE, NEAREST = 0.4, 0.3, 16
"""Of the pairs to be pushed apart: shares from the same episode and from the batch's nearest few; the rest from anywhere."""


@dataclass(frozen=True)
class Pairs:
    """B logged rows, each with a later one and another one.

    Fields:
        rows, later, others: int64 [B], rows of the data. gap: int64 [B], blocks from `rows` to `later`.
        alike: bool [B]; where True, one of the batch's nearest few is to take the place of the other.
        sure: bool [B], nothing on the way to `later` was left to chance: it is no farther than that.
    """

    rows: Tensor
    later: Tensor
    others: Tensor
    gap: Tensor
    alike: Tensor
    sure: Tensor


def draw_pairs(data: EncodedStates, luck: Tensor, count: int, generator: torch.Generator) -> Pairs:
    """Logged pairs at gaps of every order of magnitude, and pairs to be told apart, of other episodes and of the same.

    `luck`: open steps before each row, see `open_before`.
    """
    episode, offset = data.sample_rows(count, generator)
    room = (data.lengths[episode] - offset).float()
    gap = torch.exp(torch.rand(count, generator=generator) * room.log()).round().long().clamp(min=1)
    rows = data.starts[episode] + offset
    anywhere = data.starts[episode] + (torch.rand(count, generator=generator) * (data.lengths[episode] + 1)).long()
    elsewhere = rows[torch.randperm(count, generator=generator)]
    kind = torch.rand(count, generator=generator)
    others, sure = torch.where(kind < SAME_EPISODE, anywhere, elsewhere), luck[rows] == luck[rows + gap]
    return Pairs(rows, rows + gap, others, gap, kind > 1 - ALIKE, sure)


def told_apart(pairs: Pairs, states: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What `ReachabilityLoss` asks for, from the states [3, B, D] of a level at `rows`, `later` and `others`."""
    here, later, far = states.unbind()
    alike = here[_one_of_the_nearest(here.detach(), generator)]
    # A way that was luck bounds nothing: as if it had taken forever.
    gap = torch.where(pairs.sure, pairs.gap.float(), torch.inf).to(here)
    return here, later, gap, torch.where(pairs.alike[:, None].to(here.device), alike, far)


def _one_of_the_nearest(states: Tensor, generator: torch.Generator) -> Tensor:
    """For each of [B, D] the index of another that is among its nearest few: what looks alike and may lie behind a wall."""
    apart = torch.cdist(states, states).fill_diagonal_(torch.inf)
    nearest = apart.topk(min(NEAREST, len(states) - 1), largest=False).indices
    pick = torch.randint(nearest.shape[1], (len(states), 1), generator=generator).to(states.device)
    return nearest.gather(1, pick).squeeze(1)


class DistancesPhase(Phase):
    """Pairs of rows at all distances, at every level above the first."""

    name = "distances"

    def __init__(self, modules: Modules, configuration: Configuration, encode: EncodeOnce, luck: Luck) -> None:
        """`encode` gives the training episodes' states, `luck` what was left to chance in them."""
        learning = configuration.learning
        self.stages, self.encode, self.count_luck = modules.above, encode, luck
        self.steps, self.batch = learning.distances_steps, learning.distances_batch
        self.learning_rate, self.weight_decay = learning.learning_rate, learning.weight_decay
        self.losses = [ReachabilityLoss() for _ in self.stages]
        self.extras: nn.Module = nn.ModuleList(self.losses)

    def parameters(self) -> list[nn.Parameter]:
        """The heads of distances."""
        return parameters_of(*(stage.reach for stage in self.stages))

    @torch.no_grad()
    def prepare(self) -> None:
        """Every training row's state at every level, once."""
        self.data = self.encode()
        self.states = climb(self.stages, self.data.states)[1:]
        self.luck = self.count_luck()

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """The sum over levels."""
        terms: dict[str, Tensor] = {}
        for number, (stage, states, loss) in enumerate(zip(self.stages, self.states, self.losses, strict=True), 2):
            pairs = draw_pairs(self.data, self.luck, self.batch, generator)
            seen = states[torch.stack([pairs.rows, pairs.later, pairs.others])]
            terms[f"reachability_{number}"] = loss(stage.reach, *told_apart(pairs, seen, generator))
        return torch.stack(list(terms.values())).sum(), terms
