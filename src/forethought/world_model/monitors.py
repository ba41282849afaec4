"""Collapse monitors: cheap metrics that are always computed, and alarms that name the likely cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from forethought.config import Configuration

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "alarm_total": "Total collapse",
        "alarm_slow_feature": "Slow-feature collapse",
        "alarm_dimensional": "Dimensional collapse",
    }
)
"""Metric of a result file -> first words of the alarm of that kind."""
LEAST_STD, LEAST_R2 = 0.1, 0.1
"""Alarm thresholds: std of the states, and R2 of linear inverse dynamics."""
JUMP_FACTOR, STEP_QUANTILE = 3.0, 0.9
"""A step is a jump if it is longer than this factor times this quantile of the step lengths."""


@dataclass(frozen=True)
class CollapseMonitor:
    """Metrics of one set of clips.

    Fields:
        batch_std: standard deviation over all rows, mean over dimensions.
        within_episode_std: standard deviation around each clip's mean, mean over dimensions: the moving part of the state.
        rankme: exp(entropy of normalised singular values), 1 to D (RankMe, 2210.02885, eq. 1).
        inverse_dynamics_r2: held-out R2 of a *linear* map from two successive states to the action block between them; where
            that is low, to the mean of its steps, if this is higher: their order may leave no trace.
        alarms: one sentence each; empty without a collapse.
    """

    batch_std: float
    within_episode_std: float
    rankme: float
    inverse_dynamics_r2: float
    alarms: tuple[str, ...]

    @staticmethod
    @torch.no_grad()
    def measure(
        states: Float[Tensor, "B T D"], actions: Float[Tensor, "B t A"], steps: int = 1, velocities: bool = True
    ) -> CollapseMonitor:
        """Compute the metrics of B clips and the T - 1 action blocks between rows; the probe is fitted on the first half.

        Args: steps: in a block. velocities: whether a state tells them; if not, two states do not tell a force, and no alarm
        asks for it.
        """
        flat = states.flatten(0, 1)
        batch_std = flat.std(0).mean().item()
        within = (states - states.mean(1, keepdim=True)).square().sum((0, 1)) / (states.shape[0] * (states.shape[1] - 1))
        within_std = within.sqrt().mean().item()
        rank = rankme(flat)
        pairs, ordinary = torch.cat([states[:, :-1], states[:, 1:]], -1), _without_jumps(states)
        inverse = _linear_r2(pairs, actions, ordinary)
        if inverse < LEAST_R2 and steps > 1:
            inverse = max(inverse, _linear_r2(pairs, actions.unflatten(-1, (steps, -1)).mean(-2), ordinary))
        alarms = _alarms(batch_std, within_std, rank, inverse, states.shape[-1], velocities)
        return CollapseMonitor(batch_std, within_std, rank, inverse, alarms)


def rankme(states: Float[Tensor, "N D"], eps: float = 1e-7) -> float:
    """Effective rank of a set of embeddings: exp of the entropy of its singular values (RankMe, 2210.02885, eq. 1)."""
    values = torch.linalg.svdvals((states - states.mean(0)).cpu().double())
    share = values / (values.sum() + eps) + eps
    return float(torch.exp(-(share * share.log()).sum()))


def asked_of(configuration: Configuration) -> dict[str, Any]:
    """What `CollapseMonitor.measure` asks of a model: the keywords beside states and actions."""
    return {"steps": configuration.data.decisions, "velocities": configuration.model.predictor.kind != "window"}


def _without_jumps(states: Tensor) -> Tensor:
    """Mask of steps [B, T - 1] of ordinary length: a jump of the world, such as a teleport, is not explained by the action."""
    lengths = (states[:, 1:] - states[:, :-1]).norm(dim=-1)
    mask: Tensor = lengths <= JUMP_FACTOR * lengths.quantile(STEP_QUANTILE)
    return mask


def _linear_r2(inputs: Tensor, targets: Tensor, mask: Tensor, ridge: float = 1e-3) -> float:
    """R2 of targets [B, T - 1, A] by a linear map of inputs [B, T - 1, 2 D], over the steps in `mask` [B, T - 1]."""
    half = len(inputs) // 2
    fit_x, fit_y, test_x, test_y = (
        values[part][mask[part]].cpu().double() for part in (slice(half), slice(half, None)) for values in (inputs, targets)
    )
    fit_x, test_x = (torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1) for x in (fit_x, test_x))
    gram = fit_x.T @ fit_x + ridge * torch.eye(fit_x.shape[1], dtype=fit_x.dtype)
    error = test_x @ torch.linalg.solve(gram, fit_x.T @ fit_y) - test_y
    return float(1 - error.square().mean() / test_y.var(0).mean().clamp_min(1e-12))


def _alarms(batch_std: float, within: float, rank: float, inverse: float, dim: int, velocities: bool) -> tuple[str, ...]:
    alarms = []
    if batch_std < LEAST_STD:
        alarms.append(
            f"Total collapse: the states are almost constant (std {batch_std:.3f}); raise training.loss.variance or sigreg."
        )
    elif within < 0.02 * batch_std or (inverse < LEAST_R2 and velocities):
        alarms.append(
            f"Slow-feature collapse: the state encodes what is constant in an episode and not the agent (within-episode "
            f"std {within:.3f} of {batch_std:.3f}, inverse dynamics R2 {inverse:.2f}); raise training.loss.inverse_dynamics, "
            "lower training.loss.temporal_similarity or training.loss.episode_infonce."
        )
    if batch_std >= LEAST_STD and rank < max(2.0, 0.1 * dim):
        alarms.append(
            f"Dimensional collapse: {rank:.1f} effective dimensions of {dim}; raise training.loss.covariance or sigreg."
        )
    return tuple(alarms)
