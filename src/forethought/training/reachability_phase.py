"""Reachability phase: the distance heads of the upper levels train alone, on frozen encoders.

While the encoders train, the distance heads lag behind. A small part of the state, such as a key in hand, can change a distance
by forty blocks. In this phase each row is encoded once, batches are larger, and hard negatives (nearest neighbours in latent
space) are mined from a pool far larger than a batch, so that the two sides of a wall get different distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from forethought.agent_networks import AgentNetworks, encode_levels
from forethought.config import Configuration
from forethought.cost.reachability import ReachabilityLoss
from forethought.data_parallel import local_rows, whole_batch
from forethought.training.critic_phase import EncodeOnce
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.phases import Phase, Terms, parameters_of, step_generator
from forethought.training.stochastic_transitions import StochasticCounts

SAME_EPISODE, ALIKE, NEAREST = 0.4, 0.3, 16
"""Negative pairs: shares from the same episode and from the nearest neighbours (the rest is uniform); number of neighbours."""
POOL, CHUNK = 8192, 1024
"""Rows in the pool of hard negatives; queries per batch of the nearest-neighbour search."""


@dataclass(frozen=True)
class ReachabilityPairs:
    """B logged rows, each with a positive (a later row) and a negative (another row).

    Fields:
        rows, later, others: int64 [B], rows of the data. gap: int64 [B], blocks from `rows` to `later`.
        alike: bool [B]; where True, a hard negative (a nearest neighbour) replaces `others`.
        sure: bool [B], all steps from `rows` to `later` are deterministic, so `gap` bounds the distance from above.
    """

    rows: Tensor
    later: Tensor
    others: Tensor
    gap: Tensor
    alike: Tensor
    sure: Tensor

    @property
    def bound(self) -> Tensor:
        """Upper bound of the distance from `rows` to `later`, blocks [B]; infinite where a step between was stochastic."""
        return torch.where(self.sure, self.gap.float(), torch.inf)


def draw_pairs(data: EncodedDataset, stochastic_before: Tensor, count: int, generator: torch.Generator) -> ReachabilityPairs:
    """Sample positive pairs with log-uniform gaps, and negative pairs from the same and from other episodes.

    `stochastic_before`: int64 [rows], stochastic steps before each row, see `stochastic_steps_before`.
    """
    episode, offset = data.sample_rows(count, generator)
    max_gap = (data.lengths[episode] - offset).float()
    gap = torch.exp(torch.rand(count, generator=generator) * max_gap.log()).round().long().clamp(min=1)
    rows = data.starts[episode] + offset
    same_episode = data.starts[episode] + (torch.rand(count, generator=generator) * (data.lengths[episode] + 1)).long()
    other_episodes = rows[torch.randperm(count, generator=generator)]
    kind = torch.rand(count, generator=generator)
    negatives = torch.where(kind < SAME_EPISODE, same_episode, other_episodes)
    deterministic = stochastic_before[rows] == stochastic_before[rows + gap]
    return ReachabilityPairs(rows, rows + gap, negatives, gap, kind > 1 - ALIKE, deterministic)


def hard_negatives(
    pairs: ReachabilityPairs, states: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs of `ReachabilityLoss` from the states [3, B, D] of a level at `rows`, `later` and `others`.

    Where several processes share the batch, the states are this process's, and the pairs those of all.

    Hard negatives are mined from the batch itself.

    Returns:
        States at `rows` [B, D] and at `later` [B, D], the bound of their distance [B] in blocks, and negatives [B, D].
    """
    starts, later, negatives = states.unbind()
    pool = whole_batch(starts)
    hard = pool[local_rows(one_of(nearest_rows(pool.detach(), torch.arange(len(pool))), generator))]
    bound, alike = local_rows(pairs.bound).to(starts), local_rows(pairs.alike)[:, None].to(starts.device)
    return starts, later, bound, torch.where(alike, hard, negatives)


def nearest_rows(states: Tensor, pool: Tensor) -> Tensor:
    """The `NEAREST` nearest neighbours in the pool (int64 [P]) of each state [N, D], without the state itself: [N, NEAREST]."""
    neighbours, pool = [], pool.to(states.device)
    for rows in torch.arange(len(states), device=states.device).split(CHUNK):
        distances = torch.cdist(states[rows], states[pool]).masked_fill_(rows[:, None] == pool, torch.inf)
        neighbours.append(pool[distances.topk(min(NEAREST, len(pool) - 1), largest=False).indices])
    return torch.cat(neighbours)


def one_of(choices: Tensor, generator: torch.Generator) -> Tensor:
    """A uniform random entry of each row of [N, F]: [N]."""
    index = torch.randint(choices.shape[1], (len(choices), 1), generator=generator).to(choices.device)
    return choices.gather(1, index).squeeze(1)


class DistancesPhase(Phase):
    """Trains the distance head (`Reachability`) of each level above the first."""

    name = "distances"

    def __init__(
        self, modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce, stochastic_counts: StochasticCounts
    ) -> None:
        """`encode` returns the encoded training episodes, `stochastic_counts` the stochastic steps before each row."""
        training = configuration.training
        self.seed = training.seed
        self.stages, self.encode, self.count_stochastic = modules.above, encode, stochastic_counts
        self.steps, self.batch = training.distances_steps, training.distances_batch
        self.learning_rate, self.weight_decay = training.learning_rate, training.weight_decay
        self.losses = [ReachabilityLoss() for _ in self.stages]
        self.extras: nn.Module = nn.ModuleList(self.losses)

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of the distance heads."""
        return parameters_of(*(stage.reachability for stage in self.stages))

    @torch.no_grad()
    def start(self) -> None:
        """Encode each training row at each level once, and find its nearest neighbours there."""
        self.data = self.encode()
        self.states = encode_levels(self.stages, self.data.states)[1:]
        pool = torch.randperm(len(self.data.states), generator=step_generator(self.seed, f"{self.name} pool", 0))[:POOL]
        self.nearest = [nearest_rows(states, pool) for states in self.states]
        self.stochastic_before = self.count_stochastic()

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """Reachability loss of each level; their sum."""
        terms: dict[str, Tensor] = {}
        levels = zip(self.stages, self.states, self.nearest, self.losses, strict=True)
        for number, (stage, states, nearest, loss) in enumerate(levels, 2):
            pairs = draw_pairs(self.data, self.stochastic_before, self.batch, generator)
            hard = one_of(nearest[pairs.rows.to(nearest.device)], generator).to(pairs.others)
            negative_rows = torch.where(pairs.alike, hard, pairs.others)
            rows = local_rows(torch.stack([pairs.rows, pairs.later, negative_rows]), dim=1)
            (starts, later, negatives), bound = states[rows], local_rows(pairs.bound)
            terms[f"reachability_{number}"] = loss(stage.reachability, starts, later, bound.to(starts), negatives)
        return torch.stack(list(terms.values())).sum(), terms
