"""Linear probes of the true state, fitted on training episodes and tested on held-out episodes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.agent_networks import encode_levels
from forethought.data.store import EpisodeStore
from forethought.readout.probes import LinearProbe, fit_linear_probe
from forethought.training.encoded_dataset import encode_store

FIT_EPISODES, TEST_EPISODES = 200, 100


def encoded_truth(
    agent: Agent, store: EpisodeStore, episodes: NDArray[np.int64]
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """Pooled states [rows, d] of complete episodes, and name -> ground truth [rows, ...]."""
    levels, truth = _by_level(agent, store, episodes, 1)
    return levels[0], truth


def fit_probe(agent: Agent, store: EpisodeStore, name: str) -> LinearProbe:
    """A linear probe of the true value `name`, fitted on training episodes."""
    states, truth = encoded_truth(agent, store, store.train[:FIT_EPISODES])
    return fit_linear_probe(states, truth[name])


def probe_r2(agent: Agent, store: EpisodeStore) -> dict[str, float]:
    """Held-out R2 of each true value; for a vector (such as `doors`), the lowest R2 of its components."""
    return probe_levels(agent, store, 1)[0]


def probe_levels(agent: Agent, store: EpisodeStore, levels: int) -> list[dict[str, float]]:
    """`probe_r2` of the states of the first `levels` levels, level 1 first."""
    fit_levels, fit_truth = _by_level(agent, store, store.train[:FIT_EPISODES], levels)
    test_levels, test_truth = _by_level(agent, store, store.heldout[:TEST_EPISODES], levels)
    changing = {name: truth for name, truth in test_truth.items() if np.ptp(truth, axis=0).min() > 0}
    return [
        {name: float(fit_linear_probe(fitted, fit_truth[name]).r2(tested, truth).min()) for name, truth in changing.items()}
        for fitted, tested in zip(fit_levels, test_levels, strict=True)
    ]


@torch.no_grad()
def _by_level(
    agent: Agent, store: EpisodeStore, episodes: NDArray[np.int64], levels: int
) -> tuple[list[NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """Pooled states [rows, d] of complete episodes at each level, and name -> ground truth [rows, ...]."""
    encoded = encode_store(agent.modules.world_model, store, episodes, agent.body)
    rows = store.rows_of(episodes, whole=True)
    first, *above = encode_levels(agent.modules.above[: levels - 1], encoded.states)
    states = [level.cpu().numpy() for level in (agent.modules.world_model.metric.pool(first), *above)]
    return states, {name: store.rows(f"truth.{name}", rows) for name in store.spec.truth}
