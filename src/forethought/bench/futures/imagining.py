"""What an agent imagines of moments whose branches are known, and what its latent variable tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.actor.streams import RandomStreams
from forethought.agent import Agent
from forethought.bench.futures.branches import Branches
from forethought.bench.futures.scores import apart, best_of, branch_probability_error, energy_score, errors, mode_coverage
from forethought.bench.subgoals import encoded
from forethought.data.store import EpisodeStore
from forethought.imagination import drawn
from forethought.readout.probes import fit_linear_probe
from forethought.world_model.level import Context, Level

FEW, MANY = 8, 64
"""Samples: of what a planner sees, and of what is held to be the whole distribution (odds, energy score)."""
TRANSITIONS = 8192


@dataclass(frozen=True)
class Futures:
    """What truly comes of M moments, as a level sees it, and what the level imagines of them.

    Fields: true: [W, M, H, D]. imagine: how many samples -> [M, S, H, D].
    """

    true: Tensor
    imagine: Callable[[int], Tensor]


@torch.no_grad()
def futures(agent: Agent, branches: Branches) -> Futures:
    """Level 1's, after each block."""
    start, true = encoded(agent, branches.start), encoded(agent, branches.following)
    actions = agent.body.to_model(torch.from_numpy(branches.actions).to(agent.device).flatten(-2))
    return Futures(true, partial(drawn_anew, agent.modules.world_model, start, actions))


@torch.no_grad()
def drawn_anew(level: Level, start: Tensor, actions: Tensor, samples: int) -> Tensor:
    """What a level imagines from `start` [M, D] under actions [M, H, A], without a past, each moment by a stream of its own."""
    context, streams = Context(start[:, None], actions[:, :0]), RandomStreams(range(len(start)), start.device)
    return drawn(level, context, actions, samples, streams)


def branching_figures(futures: Futures, chances: Sequence[float], decided: int) -> dict[str, float]:
    """Figures of moments that go several ways: errors over the first `decided` steps, ways told apart at the last of these.

    Those of `_last` are after all steps. `chances`: of the W ways. `decided`: of H.
    """
    few, many = (futures.imagine(samples) for samples in (FEW, MANY))
    error, shown = errors(few, futures.true), decided - 1
    covered = mode_coverage(error, apart(futures.true))
    odds = branch_probability_error(errors(many, futures.true), chances)
    return {
        "mode_coverage": float(covered[shown]),
        "mode_coverage_last": float(covered[-1]),
        "branch_probability_error": float(odds[shown]),
        "branch_probability_error_last": float(odds[-1]),
        "energy_score": float(energy_score(many, futures.true, chances)[:decided].mean()),
        "best_of_8_error": float(best_of(error[..., :decided], chances).mean()),
        "best_of_8_error_last": float(best_of(error, chances)[-1]),
    }


def settled_figures(futures: Futures) -> dict[str, float]:
    """Figures of moments that go one way, which is therefore certain."""
    few, many = (futures.imagine(samples) for samples in (FEW, MANY))
    return {
        "energy_score": float(energy_score(many, futures.true, (1.0,)).mean()),
        "best_of_8_error": float(best_of(errors(few, futures.true), (1.0,)).mean()),
    }


@torch.no_grad()
def leakage(agent: Agent, store: EpisodeStore) -> dict[str, float]:
    """What the latent variable, found with the outcome in sight, tells of things it is not for; and how much it tells.

    R2 of linear probes, from z to the block that was taken and to how the body's place changed: 0 when it tells nothing.
    `leakage` is the larger. `shuffled_error`: error with other transitions' z, over that with one's own. `bits`: see `bits`.
    """
    level = agent.modules.world_model
    latent = level.latent
    if latent is None:
        return {}
    states, blocks, moved = transitions(agent, store, 1)
    actions = blocks[:, 0]
    found = level.explain(states[:, 0], actions, states[:, 1], generator=torch.Generator().manual_seed(0))
    z = found.z
    told, half = z.cpu().numpy(), len(z) // 2
    probes = {
        name: float(fit_linear_probe(told[:half], truth[:half]).r2(told[half:], truth[half:]).mean())
        for name, truth in (("leakage_actions", actions.cpu().numpy()), ("leakage_motion", moved))
    }
    shuffled = z[torch.randperm(len(z), generator=torch.Generator().manual_seed(0))]
    own, other = (float((level.step(states[:, 0], actions, way) - states[:, 1]).square().mean()) for way in (z, shuffled))
    return {**probes, "leakage": max(0.0, *probes.values()), "shuffled_error": other / own, "bits": float(found.bits.mean())}


def transitions(agent: Agent, store: EpisodeStore, span: int) -> tuple[Tensor, Tensor, NDArray[np.float32]]:
    """Held-out stretches of `span` blocks: states before and after [M, 2, D], actions [M, span, A] in model units, and how the
    body's place changed, [M, 2].
    """
    draws = np.random.default_rng(0)
    episodes = draws.choice(store.heldout[store.lengths[store.heldout] >= span], TRANSITIONS)
    offsets = draws.integers(0, store.lengths[episodes] - span + 1)
    clips = store.clips(episodes, offsets, span)
    actions = agent.body.to_model(torch.from_numpy(clips.actions).to(agent.device))
    ends = {name: values[:, ::span] for name, values in clips.observation.items()}
    place = clips.truth["position"]
    return encoded(agent, ends), actions, place[:, span] - place[:, 0]
