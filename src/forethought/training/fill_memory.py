"""What an agent keeps of its training episodes: moments to begin a search with, and landmarks to find a way over."""

from __future__ import annotations

import torch

from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.levels_phase import fill_stages
from forethought.training.phases import step_generator

POOL = 8192
"""Rows that landmarks are chosen from, unless they are more than half as many themselves."""


def populate_memory(modules: AgentNetworks, data: EncodedDataset, configuration: Configuration) -> None:
    """Fill the candidate bank, and what the levels above remember."""
    fill_retrieval(modules, data, configuration)
    if modules.graph is not None:
        fill_landmarks(modules, data, configuration)
    fill_stages(modules, data, configuration)


@torch.no_grad()
def fill_retrieval(modules: AgentNetworks, data: EncodedDataset, configuration: Configuration) -> None:
    """Remember what was once done from many states: it seeds the planner."""
    horizon, size = configuration.model.retrieval_horizon, configuration.model.retrieval_size
    if size and bool((data.lengths >= horizon).any()):
        generator = step_generator(configuration.training.seed, "bank", 0)
        states, actions = data.windows(size, horizon, generator)
        modules.bank_states.copy_(modules.world_model.metric.pool(states[:, 0]))
        modules.bank_actions.copy_(actions)


def fill_landmarks(modules: AgentNetworks, data: EncodedDataset, configuration: Configuration) -> None:
    """Landmarks from a random part of all rows, far apart as the critic sees them."""
    assert modules.graph is not None
    generator = step_generator(configuration.training.seed, "landmarks", 0)
    count = max(POOL, 2 * configuration.model.hierarchy.landmarks)
    pool = data.states[torch.randperm(len(data.states), generator=generator)[:count]]
    modules.graph.fit(pool, modules.critic.scale(pool))
