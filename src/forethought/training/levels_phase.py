"""The phase of the levels above: all learn together, from states that level 1 has encoded once (H-JEPA, 2610.06805, section 3).

Each level has its own windows, of some strides of its own, and its own terms: prediction of its own states in rollouts, VICReg
or SIGReg against collapse, inverse dynamics so that what moves is not dropped, and how far states are from one another. The
gradient of a level goes down into the encoders and macro-actions of the levels below it. Where there is a latent variable, each
level's rollouts go on in the way that things went, and its odds are made as sure as they are right, as level 1's are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.agent_networks import AgentNetworks, Stage, encode_levels
from forethought.config import Configuration
from forethought.cost.reachability import ReachabilityLoss
from forethought.training.critic_phase import EncodeOnce
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.latent_training import kl_warmup, latent_information, latent_rollout_loss, revive
from forethought.training.phases import Phase, Terms, parameters_of, step_generator
from forethought.training.reachability_phase import draw_pairs, hard_negatives
from forethought.training.stochastic_transitions import Steps, StochasticCounts, calibrate
from forethought.world_model.level import Context
from forethought.world_model.monitors import rankme
from forethought.world_model.regularisers import InverseDynamics, covariance_penalty, sigreg, variance_hinge
from forethought.world_model.upper import UpperLevel

AT_ONCE = 1024
"""Moments whose macro-actions are made at a time."""
SPREAD = 4096
"""Rows that whitening and the collapse figures look at."""


class LevelHeads(nn.Module):
    """What only training needs at one level: inverse dynamics, and the price of distances that are too long."""

    def __init__(self, stage: Stage, block_size: int) -> None:
        """Sizes follow the level's; `block_size`: A of level 1."""
        super().__init__()
        self.inverse = InverseDynamics(stage.level.state_dim, block_size)
        self.reach = ReachabilityLoss()


class LevelsPhase(Phase):
    """Windows of some strides at each level, and pairs of rows at all distances."""

    name = "levels"

    def __init__(
        self, modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce, luck: StochasticCounts
    ) -> None:
        """`encode` gives the training episodes' states, `luck` what was left to chance in them."""
        training = configuration.training
        self.stages, self.encode, self.count_luck = modules.above, encode, luck
        self.settings, self.hierarchy = configuration.training.loss, configuration.model.hierarchy
        self.steps, self.batch = training.levels_steps, training.levels_batch
        self.learning_rate, self.weight_decay = training.learning_rate, training.weight_decay
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_generator(training.seed, "level heads", 0).initial_seed())
            self.heads = [LevelHeads(stage, configuration.data.block_size) for stage in self.stages]
        self.extras: nn.Module = nn.ModuleList(self.heads)
        self.uncertain = self.stages[0].level.latent is not None

    def parameters(self) -> list[nn.Parameter]:
        """All of the levels above, and their training heads."""
        return parameters_of(*self.stages, self.extras)

    def start(self) -> None:
        """Encode the training episodes; nothing below level 2 learns any more."""
        self.data = self.encode()
        self.luck = self.count_luck()
        if self.uncertain:
            self.data, self.kept_back = self.data.split()

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """The sum over levels."""
        if step == 0:
            self._start_at_unit_scale(generator)
        terms: dict[str, Tensor] = {}
        for number in range(len(self.stages)):
            found = self._prediction(number, step, generator) | self._distances(number, generator)
            terms |= {f"{name}_{number + 2}": term for name, term in found.items()}
        if step == self.steps - 1 and self.uncertain:
            for stage, unlearned in self._unlearned():
                calibrate(stage.level, unlearned)
        weights = {name: getattr(self.settings, name) for name in ("variance", "covariance", "sigreg")}
        total = torch.stack([weights.get(name.rsplit("_", 1)[0], 1.0) * term for name, term in terms.items()]).sum()
        return total, terms

    def _prediction(self, number: int, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Rollouts over a few strides, VICReg, and which way the body went."""
        stage, span = self.stages[number], self.stages[number].span
        lived, blocks = self.data.windows(self.batch, self.hierarchy.room_of(number + 2), generator)
        states = encode_levels(self.stages[: number + 1], lived[:, ::span])[-1]
        macros = macros_of(self.stages, blocks, number)
        start = states[:, :1]
        steered = torch.unflatten(blocks, 1, (-1, span)).mean(2)
        moved = self.heads[number].inverse(states[:, :-1], states[:, 1:])
        terms = {
            **self._foresight(stage.level, start, states[:, 1:], macros, step, generator),
            "inverse_dynamics": functional.mse_loss(moved, steered / steered.std((0, 1)).clamp_min(1e-3)),
        }
        if stage.level.encoder is not None:
            terms["variance"] = variance_hinge(start[:, 0])
            terms["covariance"] = covariance_penalty(start[:, 0])
            if self.settings.sigreg:
                terms["sigreg"] = sigreg(start[:, 0], generator)
        return terms

    def _foresight(
        self, level: UpperLevel, start: Tensor, following: Tensor, macros: Tensor, step: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """How well a level foresees its own states: from `start` [B, 1, D] the `following` [B, T, D], by macros [B, T, Z]."""
        if level.latent is None:
            imagined = level.rollout(Context(start, macros[:, :0]), macros[:, None])[:, 0]
            return {"prediction": functional.mse_loss(imagined, following)}
        revive(level, step, self.steps, generator)
        errors, latent = latent_rollout_loss(level, start[:, 0], following, macros, kl_warmup(step, self.steps), generator)
        return {"prediction": errors.mean(), "latent": latent}

    def _distances(self, number: int, generator: torch.Generator) -> dict[str, Tensor]:
        """How far logged rows are from later ones, and from others."""
        pairs = draw_pairs(self.data, self.luck, self.batch, generator)
        below = self.data.states[torch.stack([pairs.rows, pairs.later, pairs.others])]
        seen = encode_levels(self.stages[: number + 1], below)[-1]
        return {"reachability": self.heads[number].reach(self.stages[number].reach, *hard_negatives(pairs, seen, generator))}

    @torch.no_grad()
    def _start_at_unit_scale(self, generator: torch.Generator) -> None:
        """Scale each untrained state to unit variance, as level 1's are, and the head of distances with it."""
        states = self.data.states[torch.randperm(len(self.data.states), generator=generator)[:SPREAD]]
        for stage in self.stages:
            stage.level.start_at_unit_scale(states)
            states = stage.level.encode(states)
            stage.reach.scale.fit(states)

    def _unlearned(self) -> list[tuple[Stage, Steps]]:
        """Each level's steps in the episodes that were kept back."""
        return [(stage, steps_of(self.stages, self.kept_back, number)) for number, stage in enumerate(self.stages)]

    @torch.no_grad()
    def monitor(self) -> dict[str, float | list[str]]:
        """Spread and rank of each level's states, to see a collapse; and how much its z tells of a step."""
        figures: dict[str, float | list[str]] = {}
        states = self.data.states[:: max(1, len(self.data.states) // SPREAD)]
        for number, seen in enumerate(encode_levels(self.stages, states)[1:], 2):
            figures[f"std_{number}"] = float(seen.std(0).mean())
            figures[f"rankme_{number}"] = rankme(seen)
        for number, (stage, unlearned) in enumerate(self._unlearned() if self.uncertain else (), 2):
            figures[f"bits_{number}"] = latent_information(stage.level, unlearned)
        return figures


def macros_of(stages: Sequence[Stage], blocks: Tensor, number: int) -> Tensor:
    """Blocks of level 1 [..., T, A] pooled into macros of stage `number`, [..., T / span, Z]."""
    for stage in stages[: number + 1]:
        blocks = stage.level.summarise(blocks)
    return blocks


@torch.no_grad()
def steps_of(stages: Sequence[Stage], data: EncodedDataset, number: int) -> Steps:
    """All steps of stage `number` in these episodes, from each row on that has a whole one before it."""
    span = stages[number].span
    rows, seen = data.valid_starts(span), encode_levels(stages[: number + 1], data.states)[-1]
    strides = (data.actions[some[:, None] + torch.arange(span)] for some in rows.split(AT_ONCE))
    macros = torch.cat([macros_of(stages, blocks, number)[:, 0] for blocks in strides])
    return Steps(seen[rows], macros, seen[rows + span])


@torch.no_grad()
def fill_stages(modules: AgentNetworks, data: EncodedDataset, configuration: Configuration) -> None:
    """Bounds of macros, and moments to begin a search with, at each level.

    From all of an episode but its last stride: subgoals are remembered states, and what lies at the end of a long way must be
    among them. Where fewer strides than the horizon follow, the last one is held.
    """
    horizon, size = configuration.model.hierarchy.retrieval_horizon, configuration.model.hierarchy.retrieval_size
    for number, stage in enumerate(modules.above):
        generator = step_generator(configuration.training.seed, f"bank of level {number + 2}", 0)
        episode, offset = data.sample_rows(size, generator, room=stage.span)
        first, left = data.starts[episode] + offset, data.lengths[episode] - offset
        blocks = data.actions[first[:, None] + torch.arange(horizon * stage.span).clamp(max=(left - 1)[:, None])]
        macros = torch.cat([macros_of(modules.above, some, number) for some in blocks.split(AT_ONCE)])
        whole = torch.arange(horizon).clamp(max=(left // stage.span - 1)[:, None]).to(macros.device)
        held = macros.gather(1, whole[..., None].expand_as(macros))
        below = data.states[torch.stack([first, first + stage.span], 1)]
        states = encode_levels(modules.above[: number + 1], below)[-1]
        stage.remember(states[:, 0], held, states[:, 1], below[:, 1])
