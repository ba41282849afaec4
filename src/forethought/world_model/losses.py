"""The world model's training loss: weighted sum of prediction errors in latent space and regularisers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.acceleration import in_float32
from forethought.config import DataSpec, LossConfig
from forethought.data_parallel import local_rows, whole_count
from forethought.world_model.extra_terms import ExtraTerms, LossInputs
from forethought.world_model.level import Context, FirstLevel
from forethought.world_model.regularisers import (
    EpisodeContrast,
    Expander,
    InverseDynamics,
    covariance_penalty,
    prediction_contrast,
    sigreg,
    smoothness,
    variance_hinge,
)

squared_error = in_float32(functional.mse_loss)
"""Mean squared error, in float32 also where the networks compute in bfloat16."""


@dataclass(frozen=True)
class TrainingBatch:
    """B clips of T + 1 rows, and one later (far) row of each clip's episode.

    Fields:
        observation: stream -> [B, T + 2, ...]; the last row is the far row. It is encoded only where a term reads it.
        actions: [B, T, A] in model units.
        gap: [B], blocks between row 0 and the far row.
    """

    observation: Mapping[str, Tensor]
    actions: Tensor
    gap: Tensor


class TrainingHeads(nn.Module):
    """Modules for training only: inverse dynamics, contrast and expander heads, the EMA teacher, and custom terms."""

    def __init__(self, level: FirstLevel, space: DataSpec, settings: LossConfig) -> None:
        """Sizes follow the level; `settings` select the terms."""
        super().__init__()
        self.settings = settings
        dim = level.metric.dim
        self.inverse = InverseDynamics(dim, space.block_size)
        self.contrast = EpisodeContrast(dim)
        self.expander = Expander(dim, settings.expander) if settings.expander else nn.Identity()
        self.teacher = copy.deepcopy(level.perception).requires_grad_(False) if settings.ema else None
        self.own_terms = ExtraTerms(level.state_dim, space.block_size, settings)

    @torch.no_grad()
    def follow(self, level: FirstLevel) -> None:
        """EMA update of the teacher: t <- m t + (1 - m) s (BYOL, 2006.07733, eq. 1)."""
        if self.teacher is not None:
            for slow, fast in zip(self.teacher.parameters(), level.perception.parameters(), strict=True):
                slow.lerp_(fast, 1 - self.settings.ema)


def world_model_loss(
    level: FirstLevel, heads: TrainingHeads, batch: TrainingBatch, progress: float, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """One batch's loss and its terms, unweighted.

    Args:
        level, heads: the trained modules.
        batch: see `TrainingBatch`.
        progress: share of the steps done, 0 to 1; episode contrast ramps up only after the state has come to encode the agent.
        generator: samples SIGReg's directions and the masks of masked prediction.

    Returns:
        The weighted sum, and each term by name (detached).
    """
    settings = heads.settings
    clip = {name: values[:, :-1] for name, values in batch.observation.items()}
    # Under autocast the encoder ends in bfloat16; predictors add to the state, and regularisers measure it, in float32.
    rows = level.encode(batch.observation if _reads_far(settings) else clip).float()
    states, far = rows[:, : batch.actions.shape[1] + 1], rows[:, -1]
    targets = states
    if heads.teacher is not None:
        with torch.no_grad():
            targets = level.metric.spec.flat(heads.teacher(clip)).float()
    following = one_block_ahead(level, states, batch.actions)
    terms = _prediction_terms(level, settings, following, states, targets, batch.actions)
    terms |= _regulariser_terms(level, heads, states, far, batch, generator)
    if settings.masked_prediction:
        terms["masked_prediction"] = _masked_prediction(level, batch, states, generator)
    terms |= own_terms(heads, states, following, targets[:, 1 : following.shape[1] + 1], batch.actions)
    weights = _weights(settings, progress)
    total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    return total, {name: term.detach() for name, term in terms.items()}


@in_float32
def own_terms(heads: TrainingHeads, states: Tensor, predictions: Tensor, targets: Tensor, actions: Tensor) -> dict[str, Tensor]:
    """The custom terms of a batch, unweighted; for the tensors see `LossInputs`."""
    values: dict[str, Tensor] = heads.own_terms(LossInputs(states, predictions, targets, actions))
    return values


def _reads_far(settings: LossConfig) -> bool:
    """Whether a term compares the clips with their far rows."""
    return bool(settings.within_episode_variance or settings.multi_step_inverse or settings.episode_infonce)


def _weights(settings: LossConfig, progress: float) -> dict[str, float]:
    ramp = min(1.0, max(0.0, (progress - settings.episode_infonce_start) / max(settings.episode_infonce_ramp, 1e-9)))
    names = ("one_step", "multi_step", "variance", "covariance", "within_episode_variance", "sigreg", "infonce_prediction")
    others = ("inverse_dynamics", "multi_step_inverse", "temporal_similarity", "masked_prediction")
    weights = {name: float(getattr(settings, name)) for name in names + others}
    return weights | {"episode_infonce": settings.episode_infonce * ramp} | settings.extra


def one_block_ahead(level: FirstLevel, states: Tensor, actions: Tensor) -> Tensor:
    """One-step predictions of the first P rows of [B, T + 1, D], [B, P, D]; P = T for a predictor without context."""
    keep = min(level.settings.context, actions.shape[1])
    if keep == 1:
        # Without context each row is a sequence of its own, as in a rollout.
        return level.predict(states[:, :-1, None], actions[:, :, None])[:, :, 0]
    return level.predict(states[:, :keep], actions[:, :keep])


def _prediction_terms(
    level: FirstLevel, settings: LossConfig, following: Tensor, states: Tensor, targets: Tensor, actions: Tensor
) -> dict[str, Tensor]:
    """One-step error from each row, and multi-step error of a rollout from row 0 (PLDM, 2502.14819, eq. 1)."""
    terms = {"one_step": squared_error(following, targets[:, 1 : following.shape[1] + 1])}
    if settings.infonce_prediction:
        terms["infonce_prediction"] = prediction_contrast(following, targets)
    if settings.multi_step and actions.shape[1] > 1:
        terms["multi_step"] = squared_error(_rollout(level, states[:, :1], actions), targets[:, 1:])
    return terms


def _rollout(level: FirstLevel, start: Tensor, actions: Tensor) -> Tensor:
    """A rollout from `start` [B, 1, D] with z unspecified: the prior of z trains in the predictor phase."""
    if level.latent is None:
        return level.rollout(Context(start, actions[:, :0]), actions[:, None])[:, 0]
    states = [start]
    for action in actions.split(1, dim=1):
        states.append(level.predict(states[-1], action))
    return torch.cat(states[1:], 1)


def _regulariser_terms(
    level: FirstLevel, heads: TrainingHeads, states: Tensor, far: Tensor, batch: TrainingBatch, generator: torch.Generator
) -> dict[str, Tensor]:
    settings = heads.settings
    pool, first_tokens = level.metric.pool, states[:, 0]
    first, states, far = pool(first_tokens), pool(states), pool(far)
    terms = {}
    if settings.variance:
        # The variance term covers each dimension of each token; all other terms use the pooled state.
        terms["variance"] = variance_hinge(first_tokens)
        if settings.expander:
            terms["variance"] = terms["variance"] + variance_hinge(heads.expander(first))
    if settings.within_episode_variance:
        # The difference of two independent samples has twice their variance.
        terms["within_episode_variance"] = variance_hinge((far - first) / 2**0.5)
    if settings.covariance:
        terms["covariance"] = covariance_penalty(heads.expander(first))
    if settings.sigreg:
        terms["sigreg"] = torch.stack([sigreg(states[:, t], generator) for t in range(states.shape[1])]).mean()
    if settings.inverse_dynamics:
        terms["inverse_dynamics"] = squared_error(heads.inverse(states[:, :-1], states[:, 1:]), batch.actions)
    if settings.multi_step_inverse:
        terms["multi_step_inverse"] = squared_error(heads.inverse(first, far, batch.gap), batch.actions[:, 0])
    if settings.episode_infonce:
        terms["episode_infonce"] = heads.contrast(first, far)
    if settings.temporal_similarity:
        terms["temporal_similarity"] = smoothness(states)
    return terms


def _masked_prediction(level: FirstLevel, batch: TrainingBatch, states: Tensor, generator: torch.Generator) -> Tensor:
    """Mask random patches (or values) of row 0 and predict the whole row's embedding (I-JEPA, 2301.08243, section 3)."""
    observation = {name: values[:, 0] for name, values in batch.observation.items()}
    kinds = {stream.name: stream.kind for stream in level.perception.streams}
    visible = {name: random_mask(kinds[name], values, generator) for name, values in observation.items()}
    return squared_error(level.estimate(observation, visible), states[:, 0].detach())


def random_mask(kind: str, values: Tensor, generator: torch.Generator, hidden: float = 0.4, grid: int = 8) -> Tensor:
    """Random visibility mask, True where visible: a share `hidden` of a coarse grid of patches (images) or values is masked.

    Args:
        kind: the stream's, `image` or `vector`. values: [B, height, width, C] or [B, P].

    Returns:
        bool [B, height, width] or [B, P], on the device of `values`.
    """
    batch = whole_count(len(values))
    if kind != "image":
        shape = (batch, *values.shape[1:])
        return local_rows(torch.rand(shape, generator=generator) >= hidden).to(values.device)
    height, width = values.shape[1:3]
    patches = local_rows(torch.rand(batch, 1, grid, grid, generator=generator) >= hidden).float()
    return functional.interpolate(patches, size=(height, width), mode="nearest")[:, 0].bool().to(values.device)
