"""Predicted futures of level 2, compared with the same branches as those of level 1.

Level 2 is grown for imagining alone. It stands on what a seed's agents share, their perception, with the same settings but for
the latent variable. Axes: W ways, M moments, S samples, H strides, D of level 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.states import encode_observations, sample_states
from forethought.training.latent_training import latent_information
from forethought.training.stochastic_transitions import Steps
from forethought_benchmarks.stochastic_prediction.branches import BranchScores
from forethought_benchmarks.stochastic_prediction.imagining import ImaginedFutures, branching_figures, transitions
from forethought_benchmarks.stochastic_prediction.scores import apart

SUFFIX = "-level-2"
"""Suffix of the agent and the world in the rows of level 2."""
HIERARCHY: Mapping[str, Any] = {"levels": 2, "kind": "learned", "stride": 4}


@torch.no_grad()
def futures_above(agent: Agent, branches: BranchScores) -> ImaginedFutures:
    """Level 2's, after each whole stride.

    Its own encoder decides how large its states are: they come in units of the true ones' standard deviation (over ways,
    moments and strides, root mean square over D), so that two agents' errors can be compared.
    """
    stage = agent.modules.above[0]
    start, true = encode_observations(agent, branches.start), encode_observations(agent, branches.following)
    blocks = agent.body.to_model(torch.from_numpy(branches.actions).to(agent.device).flatten(-2))
    whole = blocks.shape[1] // stage.span * stage.span
    here, seen = stage.level.encode(start), stage.level.encode(true[:, :, stage.span - 1 : whole : stage.span])
    macros, unit = stage.level.summarise(blocks[:, :whole]), seen.flatten(0, 2).var(0).mean().sqrt()
    return ImaginedFutures(seen / unit, lambda samples: sample_states(stage.level, here, macros, samples) / unit)


def level_figures(agent: Agent, store: EpisodeStore, branches: BranchScores, decided: int) -> dict[str, float]:
    """Figures of level 2 at moments that go several ways, of which it shows after `decided` blocks which one it is.

    `branches_apart`: squared distance of a way to the nearest other by then, in those units: near 0, level 2's state does not
    keep which way things went, and its other figures say nothing. `bits`: see `bits_above`.
    """
    futures = futures_above(agent, branches)
    strides = math.ceil(decided / agent.modules.above[0].span)
    separation = apart(futures.true)[..., strides - 1]
    figures = branching_figures(futures, branches.chances, strides) | {"branches_apart": float(separation.mean())}
    return figures | ({} if agent.modules.above[0].level.latent is None else {"bits": bits_above(agent, store)})


@torch.no_grad()
def bits_above(agent: Agent, store: EpisodeStore) -> float:
    """How much level 2's z tells of a stride beyond its prior, mean over held-out strides: bits."""
    stage = agent.modules.above[0]
    states, actions, _ = transitions(agent, store, (0, stage.span))
    here, after = stage.level.encode(states).unbind(1)
    return latent_information(stage.level, Steps(here, stage.level.summarise(actions)[:, 0], after))
