"""What the state keeps: linear probes of ground truth, fitted on training episodes and tested on held-out ones."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.learning.levels_phase import climb
from forethought.learning.states import encode_store
from forethought.readout.probes import LinearProbe, fit_linear_probe

FIT_EPISODES, TEST_EPISODES = 200, 100


def encoded_truth(
    agent: Agent, store: EpisodeStore, episodes: NDArray[np.int64], above: int = 0
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """States [rows, D] of whole episodes, as the level `above` levels above the first has them, and their ground truth."""
    encoded = encode_store(agent.modules.world_model, store, episodes, agent.body)
    rows = store.rows_of(episodes)
    with torch.no_grad():
        states = climb(agent.modules.above, encoded.states, above - 1)
    return states.cpu().numpy(), {name: store.rows(f"truth.{name}", rows) for name in store.spec.truth}


def fit_probe(agent: Agent, store: EpisodeStore, name: str) -> LinearProbe:
    """A linear probe of one truth from training episodes."""
    states, truth = encoded_truth(agent, store, store.train[:FIT_EPISODES])
    return fit_linear_probe(states, truth[name])


def probe_r2(agent: Agent, store: EpisodeStore, above: int = 0) -> dict[str, float]:
    """R2 of each truth on held-out episodes, the worst of its values (`doors`: wall and door, say); `above`: 0 for level 1."""
    fit_states, fit_truth = encoded_truth(agent, store, store.train[:FIT_EPISODES], above)
    test_states, test_truth = encoded_truth(agent, store, store.heldout[:TEST_EPISODES], above)
    found = {}
    for name, truth in test_truth.items():
        if np.ptp(truth, axis=0).min() > 0:
            found[name] = float(fit_linear_probe(fit_states, fit_truth[name]).r2(test_states, truth).min())
    return found
