"""Fill the agent's long-term memory from the training episodes: retrieval of actions, and landmarks of the graph search."""

from __future__ import annotations

import torch

from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.levels_phase import fill_stages
from forethought.training.phases import step_generator

POOL = 8192
"""Least number of rows that landmarks are chosen from; twice the number of landmarks if that is more."""


def populate_memory(modules: AgentNetworks, data: EncodedDataset, configuration: Configuration) -> None:
    """Fill the action retrieval of level 1, the landmark graph if there is one, and the memories of the upper levels."""
    fill_retrieval(modules, data, configuration)
    if modules.graph is not None:
        fill_landmarks(modules, data, configuration)
    fill_stages(modules, data, configuration)


@torch.no_grad()
def fill_retrieval(modules: AgentNetworks, data: EncodedDataset, configuration: Configuration) -> None:
    """Store states with the actions that followed; planning retrieves the nearest as first candidates."""
    horizon, size = configuration.model.retrieval_horizon, configuration.model.retrieval_size
    if size and bool((data.lengths >= horizon).any()):
        generator = step_generator(configuration.training.seed, "bank", 0)
        states, actions = data.windows(size, horizon, generator)
        modules.bank_states.copy_(modules.world_model.metric.pool(states[:, 0]))
        modules.bank_actions.copy_(actions)


def fill_landmarks(modules: AgentNetworks, data: EncodedDataset, configuration: Configuration) -> None:
    """Choose landmarks from a random sample of all rows, far apart in the critic's whitened space."""
    assert modules.graph is not None
    generator = step_generator(configuration.training.seed, "landmarks", 0)
    count = max(POOL, 2 * configuration.model.hierarchy.landmarks)
    pool = data.states[torch.randperm(len(data.states), generator=generator)[:count]]
    modules.graph.fit(pool, modules.critic.scale(pool))
