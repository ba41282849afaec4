"""Training phase of the upper levels: all levels train jointly on cached states of level 1 (H-JEPA, 2610.06805, section 3).

Each level has its own windows of a few strides and its own terms: rollout prediction of its own states, VICReg or SIGReg
against collapse, inverse dynamics so that moving parts stay in the state, and reachability (distances). The gradient of a level
flows into the encoders and macro-actions of the levels below. With a latent variable, each level's rollouts use the inferred z,
and its prior is calibrated at the end, as at level 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.agent_networks import AgentNetworks, Stage, encode_levels
from forethought.config import Configuration
from forethought.cost.reachability import ReachabilityLoss
from forethought.data_parallel import local_rows, whole_batch
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

CHUNK = 1024
"""Windows whose macro-actions are computed in one batch."""
SAMPLE_ROWS = 4096
"""Rows for fitting the whitening and for the collapse metrics."""


class LevelHeads(nn.Module):
    """Training heads of one level: inverse dynamics, and the reachability loss with its Lagrange multiplier."""

    def __init__(self, stage: Stage, block_size: int) -> None:
        """Sizes follow the level; `block_size`: A of level 1."""
        super().__init__()
        self.inverse = InverseDynamics(stage.level.state_dim, block_size)
        self.reachability = ReachabilityLoss()


class LevelsPhase(Phase):
    """Trains all levels above the first, on windows of a few strides and on pairs of rows at all distances."""

    name = "levels"

    def __init__(
        self, modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce, stochastic_counts: StochasticCounts
    ) -> None:
        """`encode` returns the encoded training episodes, `stochastic_counts` the stochastic steps before each row."""
        training = configuration.training
        self.stages, self.encode, self.count_stochastic = modules.above, encode, stochastic_counts
        self.settings, self.hierarchy = configuration.training.loss, configuration.model.hierarchy
        self.steps, self.batch = training.levels_steps, training.levels_batch
        self.learning_rate, self.weight_decay = training.learning_rate, training.weight_decay
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_generator(training.seed, "level heads", 0).initial_seed())
            self.heads = [LevelHeads(stage, configuration.data.block_size) for stage in self.stages]
        self.extras: nn.Module = nn.ModuleList(self.heads)
        self.stochastic = self.stages[0].level.latent is not None

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of the upper levels and of their training heads."""
        return parameters_of(*self.stages, self.extras)

    def start(self) -> None:
        """Encode the training episodes; level 1 is frozen."""
        self.data = self.encode()
        self.stochastic_before = self.count_stochastic()
        if self.stochastic:
            self.data, self.kept_back = self.data.split()

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """The loss terms of all levels and their weighted sum."""
        if step == 0:
            self._start_at_unit_scale(generator)
        terms: dict[str, Tensor] = {}
        for number in range(len(self.stages)):
            level_terms = self._prediction(number, step, generator) | self._distances(number, generator)
            terms |= {f"{name}_{number + 2}": term for name, term in level_terms.items()}
        if step == self.steps - 1 and self.stochastic:
            for stage, heldout in self._heldout_steps():
                calibrate(stage.level, heldout)
        weights = {name: getattr(self.settings, name) for name in ("variance", "covariance", "sigreg")}
        total = torch.stack([weights.get(name.rsplit("_", 1)[0], 1.0) * term for name, term in terms.items()]).sum()
        return total, terms

    def _prediction(self, number: int, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Rollout prediction over a few strides, inverse dynamics, and VICReg or SIGReg."""
        stage, span = self.stages[number], self.stages[number].span
        windows = self.data.windows(self.batch, self.hierarchy.room_of(number + 2), generator)
        below, blocks = map(local_rows, windows)
        states = encode_levels(self.stages[: number + 1], below[:, ::span])[-1]
        macros = macros_of(self.stages, blocks, number)
        start = states[:, :1]
        mean_actions = torch.unflatten(blocks, 1, (-1, span)).mean(2)
        predicted_actions = self.heads[number].inverse(states[:, :-1], states[:, 1:])
        scaled_actions = mean_actions / whole_batch(mean_actions).std((0, 1)).clamp_min(1e-3)
        terms = {
            **self._rollout_loss(stage.level, start, states[:, 1:], macros, step, generator),
            "inverse_dynamics": functional.mse_loss(predicted_actions, scaled_actions),
        }
        if stage.level.encoder is not None:
            terms["variance"] = variance_hinge(start[:, 0])
            terms["covariance"] = covariance_penalty(start[:, 0])
            if self.settings.sigreg:
                terms["sigreg"] = sigreg(start[:, 0], generator)
        return terms

    def _rollout_loss(
        self, level: UpperLevel, start: Tensor, following: Tensor, macros: Tensor, step: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Rollout error of a level: from `start` [B, 1, D] by macros [B, T, Z] to the targets `following` [B, T, D]."""
        if level.latent is None:
            imagined = level.rollout(Context(start, macros[:, :0]), macros[:, None])[:, 0]
            return {"prediction": functional.mse_loss(imagined, following)}
        revive(level, step, self.steps, generator)
        errors, latent = latent_rollout_loss(level, start[:, 0], following, macros, kl_warmup(step, self.steps), generator)
        return {"prediction": errors.mean(), "latent": latent}

    def _distances(self, number: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Reachability loss on pairs of logged rows."""
        pairs = draw_pairs(self.data, self.stochastic_before, self.batch, generator)
        below = self.data.states[local_rows(torch.stack([pairs.rows, pairs.later, pairs.others]), dim=1)]
        states = encode_levels(self.stages[: number + 1], below)[-1]
        inputs = hard_negatives(pairs, states, generator)
        return {"reachability": self.heads[number].reachability(self.stages[number].reachability, *inputs)}

    @torch.no_grad()
    def _start_at_unit_scale(self, generator: torch.Generator) -> None:
        """Scale each level's untrained states to unit variance, as at level 1, and fit the whitening of its distance head."""
        states = self.data.states[torch.randperm(len(self.data.states), generator=generator)[:SAMPLE_ROWS]]
        for stage in self.stages:
            stage.level.start_at_unit_scale(states)
            states = stage.level.encode(states)
            stage.reachability.scale.fit(states)

    def _heldout_steps(self) -> list[tuple[Stage, Steps]]:
        """Each level with its steps in the held-back episodes."""
        return [(stage, steps_of(self.stages, self.kept_back, number)) for number, stage in enumerate(self.stages)]

    @torch.no_grad()
    def monitor(self) -> dict[str, float | list[str]]:
        """Collapse metrics of each level (std, RankMe), and information in its z, bits."""
        figures: dict[str, float | list[str]] = {}
        states = self.data.states[:: max(1, len(self.data.states) // SAMPLE_ROWS)]
        for number, level_states in enumerate(encode_levels(self.stages, states)[1:], 2):
            figures[f"std_{number}"] = float(level_states.std(0).mean())
            figures[f"rankme_{number}"] = rankme(level_states)
        for number, (stage, heldout) in enumerate(self._heldout_steps() if self.stochastic else (), 2):
            figures[f"bits_{number}"] = latent_information(stage.level, heldout)
        return figures


def macros_of(stages: Sequence[Stage], blocks: Tensor, number: int) -> Tensor:
    """Blocks of level 1 [..., T, A] pooled into macros of stage `number`, [..., T / span, Z]."""
    for stage in stages[: number + 1]:
        blocks = stage.level.summarise(blocks)
    return blocks


@torch.no_grad()
def steps_of(stages: Sequence[Stage], data: EncodedDataset, number: int) -> Steps:
    """All steps of stage `number` in these episodes, from each row that a whole stride follows."""
    span = stages[number].span
    rows, states = data.valid_starts(span), encode_levels(stages[: number + 1], data.states)[-1]
    strides = (data.actions[chunk[:, None] + torch.arange(span)] for chunk in rows.split(CHUNK))
    macros = torch.cat([macros_of(stages, blocks, number)[:, 0] for blocks in strides])
    return Steps(states[rows], macros, states[rows + span])


@torch.no_grad()
def fill_stages(modules: AgentNetworks, data: EncodedDataset, configuration: Configuration) -> None:
    """Fill each level's retrieval memory (states and macro-actions as first candidates of a search) and its macro bounds.

    Rows are sampled from whole episodes without the last stride: subgoals are stored states, so states near the end of a long
    path must be among them. If fewer strides than the horizon follow a row, the last stride is repeated.
    """
    horizon, size = configuration.model.hierarchy.retrieval_horizon, configuration.model.hierarchy.retrieval_size
    for number, stage in enumerate(modules.above):
        generator = step_generator(configuration.training.seed, f"bank of level {number + 2}", 0)
        episode, offset = data.sample_rows(size, generator, room=stage.span)
        first, remaining = data.starts[episode] + offset, data.lengths[episode] - offset
        blocks = data.actions[first[:, None] + torch.arange(horizon * stage.span).clamp(max=(remaining - 1)[:, None])]
        macros = torch.cat([macros_of(modules.above, chunk, number) for chunk in blocks.split(CHUNK)])
        index = torch.arange(horizon).clamp(max=(remaining // stage.span - 1)[:, None]).to(macros.device)
        padded = macros.gather(1, index[..., None].expand_as(macros))
        below = data.states[torch.stack([first, first + stage.span], 1)]
        states = encode_levels(modules.above[: number + 1], below)[-1]
        stage.remember(states[:, 0], padded, states[:, 1], below[:, 1])
