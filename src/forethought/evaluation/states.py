"""Encoded observations, and sampled rollouts of a level from given states."""

from __future__ import annotations

import torch
from torch import Tensor

from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent import Agent
from forethought.perception import to_tensors
from forethought.planning.scenarios import sample_rollouts
from forethought.types import Observation
from forethought.world_model.level import Context, Level


@torch.no_grad()
def encode_observations(agent: Agent, observation: Observation) -> Tensor:
    """Encode observations to states of level 1: streams [..., *shape] to [..., D]."""
    states: Tensor = agent.modules.world_model.encode(to_tensors(observation, agent.configuration.data.streams, agent.device))
    return states


@torch.no_grad()
def sample_states(level: Level, start: Tensor, actions: Tensor, samples: int) -> Tensor:
    """Sampled rollouts [M, S, H, D] of a level from states `start` [M, D] under actions [M, H, A], without earlier context.

    Each of the M start states has its own random generator, seeded by its index.
    """
    context, streams = Context(start[:, None], actions[:, :0]), EpisodeGenerators(range(len(start)), start.device)
    return sample_rollouts(level, context, actions, samples, streams)
