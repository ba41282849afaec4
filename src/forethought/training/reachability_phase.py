"""The phase of distances: how far states of the levels above are from one another, when nothing else moves any more.

While encoders learn, distances chase them, and are the last to be right: a small part of the state, such as a key in hand, may
be worth forty blocks. Here the states stand still, each row's is made once, and the heads alone learn on, in larger batches;
and what looks most alike is found among far more rows than a batch has: the two sides of a wall are to be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from forethought.agent_networks import AgentNetworks, encode_levels
from forethought.config import Configuration
from forethought.cost.reachability import ReachabilityLoss
from forethought.training.critic_phase import EncodeOnce
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.phases import Phase, Terms, parameters_of, step_generator
from forethought.training.stochastic_transitions import StochasticCounts

SAME_EPISODE, ALIKE, NEAREST = 0.4, 0.3, 16
"""Of the pairs to be pushed apart: shares from the same episode and from the nearest few; the rest from anywhere."""
POOL, CHUNK = 8192, 1024
"""Rows that the nearest few are looked for in, once the states stand still, and how many rows look at a time."""


@dataclass(frozen=True)
class ReachabilityPairs:
    """B logged rows, each with a later one and another one.

    Fields:
        rows, later, others: int64 [B], rows of the data. gap: int64 [B], blocks from `rows` to `later`.
        alike: bool [B]; where True, one of the nearest few is to take the place of the other.
        sure: bool [B], nothing on the way to `later` was left to chance: it is no farther than that.
    """

    rows: Tensor
    later: Tensor
    others: Tensor
    gap: Tensor
    alike: Tensor
    sure: Tensor

    @property
    def bound(self) -> Tensor:
        """Blocks [B] that `later` is away at most. A way that was luck bounds nothing: as if it had taken forever."""
        return torch.where(self.sure, self.gap.float(), torch.inf)


def draw_pairs(data: EncodedDataset, luck: Tensor, count: int, generator: torch.Generator) -> ReachabilityPairs:
    """Logged pairs at gaps of every order of magnitude, and pairs to be told apart, of other episodes and of the same.

    `luck`: open steps before each row, see `stochastic_steps_before`.
    """
    episode, offset = data.sample_rows(count, generator)
    room = (data.lengths[episode] - offset).float()
    gap = torch.exp(torch.rand(count, generator=generator) * room.log()).round().long().clamp(min=1)
    rows = data.starts[episode] + offset
    anywhere = data.starts[episode] + (torch.rand(count, generator=generator) * (data.lengths[episode] + 1)).long()
    elsewhere = rows[torch.randperm(count, generator=generator)]
    kind = torch.rand(count, generator=generator)
    others, sure = torch.where(kind < SAME_EPISODE, anywhere, elsewhere), luck[rows] == luck[rows + gap]
    return ReachabilityPairs(rows, rows + gap, others, gap, kind > 1 - ALIKE, sure)


def hard_negatives(
    pairs: ReachabilityPairs, states: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What `ReachabilityLoss` asks for, from the states [3, B, D] of a level at `rows`, `later` and `others`.

    What looks alike is found in the batch itself.
    """
    here, later, far = states.unbind()
    alike = here[one_of(nearest_rows(here.detach(), torch.arange(len(here))), generator)]
    return here, later, pairs.bound.to(here), torch.where(pairs.alike[:, None].to(here.device), alike, far)


def nearest_rows(states: Tensor, pool: Tensor) -> Tensor:
    """For each state of [N, D] the `NEAREST` rows of the pool (int64 [P]) most like it, itself apart: [N, NEAREST]."""
    found, pool = [], pool.to(states.device)
    for rows in torch.arange(len(states), device=states.device).split(CHUNK):
        apart = torch.cdist(states[rows], states[pool]).masked_fill_(rows[:, None] == pool, torch.inf)
        found.append(pool[apart.topk(min(NEAREST, len(pool) - 1), largest=False).indices])
    return torch.cat(found)


def one_of(few: Tensor, generator: torch.Generator) -> Tensor:
    """One of each row of [N, F], at random: [N]."""
    pick = torch.randint(few.shape[1], (len(few), 1), generator=generator).to(few.device)
    return few.gather(1, pick).squeeze(1)


class DistancesPhase(Phase):
    """Pairs of rows at all distances, at every level above the first."""

    name = "distances"

    def __init__(
        self, modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce, luck: StochasticCounts
    ) -> None:
        """`encode` gives the training episodes' states, `luck` what was left to chance in them."""
        training = configuration.training
        self.seed = training.seed
        self.stages, self.encode, self.count_luck = modules.above, encode, luck
        self.steps, self.batch = training.distances_steps, training.distances_batch
        self.learning_rate, self.weight_decay = training.learning_rate, training.weight_decay
        self.losses = [ReachabilityLoss() for _ in self.stages]
        self.extras: nn.Module = nn.ModuleList(self.losses)

    def parameters(self) -> list[nn.Parameter]:
        """The heads of distances."""
        return parameters_of(*(stage.reach for stage in self.stages))

    @torch.no_grad()
    def start(self) -> None:
        """Every training row's state at every level, once, and which rows look like it there."""
        self.data = self.encode()
        self.states = encode_levels(self.stages, self.data.states)[1:]
        pool = torch.randperm(len(self.data.states), generator=step_generator(self.seed, f"{self.name} pool", 0))[:POOL]
        self.nearest = [nearest_rows(states, pool) for states in self.states]
        self.luck = self.count_luck()

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """The sum over levels."""
        terms: dict[str, Tensor] = {}
        every = zip(self.stages, self.states, self.nearest, self.losses, strict=True)
        for number, (stage, states, nearest, loss) in enumerate(every, 2):
            pairs = draw_pairs(self.data, self.luck, self.batch, generator)
            alike = one_of(nearest[pairs.rows.to(nearest.device)], generator).to(pairs.others)
            others = torch.where(pairs.alike, alike, pairs.others)
            here, later, far = states[torch.stack([pairs.rows, pairs.later, others])]
            terms[f"reachability_{number}"] = loss(stage.reach, here, later, pairs.bound.to(here), far)
        return torch.stack(list(terms.values())).sum(), terms
