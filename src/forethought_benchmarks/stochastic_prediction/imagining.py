"""Predicted futures of moments whose branches are known, and the information in the latent variable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.states import encode_observations, sample_states
from forethought.readout.probes import fit_linear_probe
from forethought.training.stochastic_transitions import Steps, is_stochastic
from forethought_benchmarks.stochastic_prediction.branches import BranchScores
from forethought_benchmarks.stochastic_prediction.scores import (
    apart,
    best_of,
    branch_probability_error,
    energy_score,
    errors,
    mode_coverage,
)

FEW, MANY = 8, 64
"""Numbers of samples: those of a planner, and those that estimate the distribution (probabilities, energy score)."""
TRANSITIONS, LATER = 8192, 5
"""Number of held-out moments for the probes of z, and how many blocks later the probed state is."""


@dataclass(frozen=True)
class ImaginedFutures:
    """True and predicted futures of M moments, as states of one level.

    Fields: true: [W, M, H, D]. imagine: how many samples -> [M, S, H, D].
    """

    true: Tensor
    imagine: Callable[[int], Tensor]


@torch.no_grad()
def futures(agent: Agent, branches: BranchScores) -> ImaginedFutures:
    """Futures of level 1, after each block."""
    start, true = encode_observations(agent, branches.start), encode_observations(agent, branches.following)
    actions = agent.body.to_model(torch.from_numpy(branches.actions).to(agent.device).flatten(-2))
    return ImaginedFutures(true, partial(sample_states, agent.modules.world_model, start, actions))


def branching_figures(futures: ImaginedFutures, chances: Sequence[float], decided: int) -> dict[str, float]:
    """Figures of moments that go several ways: errors over the first `decided` steps, ways told apart at the last of these.

    Those of `_last` are after all steps. `chances`: of the W ways. `decided`: of H.
    """
    few, many = (futures.imagine(samples) for samples in (FEW, MANY))
    error, shown = errors(few, futures.true), decided - 1
    covered = mode_coverage(error, apart(futures.true))
    probability_error = branch_probability_error(errors(many, futures.true), chances)
    return {
        "mode_coverage": float(covered[shown]),
        "mode_coverage_last": float(covered[-1]),
        "branch_probability_error": float(probability_error[shown]),
        "branch_probability_error_last": float(probability_error[-1]),
        "energy_score": float(energy_score(many, futures.true, chances)[:decided].mean()),
        "best_of_8_error": float(best_of(error[..., :decided], chances).mean()),
        "best_of_8_error_last": float(best_of(error, chances)[-1]),
    }


def settled_figures(futures: ImaginedFutures) -> dict[str, float]:
    """Metrics of moments whose outcome is already determined."""
    few, many = (futures.imagine(samples) for samples in (FEW, MANY))
    return {
        "energy_score": float(energy_score(many, futures.true, (1.0,)).mean()),
        "best_of_8_error": float(best_of(errors(few, futures.true), (1.0,)).mean()),
    }


@torch.no_grad()
def leakage(agent: Agent, store: EpisodeStore) -> dict[str, float]:
    """What the latent variable, found with the outcome in sight, tells of things it is not for; and how much it tells.

    R2 of linear probes from z, 0 when it tells nothing: of the block that was taken, of how the body's place changed, and,
    where nothing was left open, of how the state `LATER` blocks on differs from what this one and the block tell of it.
    `leakage` is the largest. `shuffled_error`: error with other transitions' z, over that with one's own. `bits`: see `bits`.
    """
    level = agent.modules.world_model
    if level.latent is None:
        return {}
    states, blocks, moved = transitions(agent, store, (0, 1, LATER))
    here, after, later = states.unbind(1)
    actions = blocks[:, 0]
    found = level.explain(here, actions, after, generator=torch.Generator().manual_seed(0))
    z, sure = found.z, ~is_stochastic(level, Steps(here, actions, after))
    known, then = (part[sure].cpu().numpy() for part in (torch.cat([here, actions], 1), later))
    probes = {
        "leakage_actions": _told(z, actions.cpu().numpy()),
        "leakage_motion": _told(z, moved),
        "leakage_future": _told(z[sure], _beyond(known, then)) if len(then) > MANY else 0.0,
    }
    shuffled = z[torch.randperm(len(z), generator=torch.Generator().manual_seed(0))]
    own, other = (float((level.step(here, actions, way) - after).square().mean()) for way in (z, shuffled))
    return {**probes, "leakage": max(0.0, *probes.values()), "shuffled_error": other / own, "bits": float(found.bits.mean())}


def _told(z: Tensor, truth: NDArray[Any]) -> float:
    """How much of the truth [M, V] a linear probe finds in z [M, Z]: fitted on one half, R2 on the other, mean over V."""
    latent, half = z.cpu().numpy(), len(z) // 2
    return float(np.nanmean(fit_linear_probe(latent[:half], truth[:half]).r2(latent[half:], truth[half:])))


def _beyond(known: NDArray[Any], truth: NDArray[Any]) -> NDArray[Any]:
    """Residual of the truth [M, V] after a linear fit on what is known [M, D]."""
    return truth - fit_linear_probe(known, truth).predict(known)


def transitions(agent: Agent, store: EpisodeStore, seen: Sequence[int]) -> tuple[Tensor, Tensor, NDArray[np.float32]]:
    """Held-out stretches of `seen[-1]` blocks: states after so many as `seen` says [M, len(seen), D], actions [M, blocks, A] in
    model units, and how the body's place changed between the first two of them, [M, 2].
    """
    draws, span = np.random.default_rng(0), seen[-1]
    episodes = draws.choice(store.heldout[store.lengths[store.heldout] >= span], TRANSITIONS)
    offsets = draws.integers(0, store.lengths[episodes] - span + 1)
    clips = store.clips(episodes, offsets, span)
    actions = agent.body.to_model(torch.from_numpy(clips.actions).to(agent.device))
    shown = {name: values[:, list(seen)] for name, values in clips.observation.items()}
    place = clips.truth["position"]
    return encode_observations(agent, shown), actions, place[:, seen[1]] - place[:, seen[0]]
