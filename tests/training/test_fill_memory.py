"""What is kept of the training episodes: moments for the planner, landmarks for the level above."""

from __future__ import annotations

import torch

import tiny
from forethought.actor.landmark_graph import NOWHERE
from forethought.agent_networks import AgentNetworks
from forethought.training.encoded_dataset import EncodedDataset, encode_store
from forethought.training.fill_memory import populate_memory


def encoded() -> tuple[AgentNetworks, EncodedDataset]:
    agent, store = tiny.two_level_agent(), tiny.rooms_store()
    return agent.modules, encode_store(agent.modules.world_model, store, store.train, agent.body)


def test_landmarks_are_rows_and_no_two_are_the_same() -> None:
    modules, data = encoded()
    graph = modules.graph
    assert graph is not None
    gaps = torch.cdist(graph.landmarks, data.states, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    assert gaps.max() < 1e-4
    apart = torch.cdist(graph.landmarks, graph.landmarks) + torch.eye(24)
    assert apart.min() > 0


def test_edges_are_the_critics_near_distances() -> None:
    modules, _ = encoded()
    graph = modules.graph
    assert graph is not None
    blocks = modules.critic.distance(graph.landmarks[:, None].expand(-1, 24, -1), graph.landmarks[None].expand(24, -1, -1))
    wanted = torch.where(blocks <= graph.reach, blocks, NOWHERE).fill_diagonal_(NOWHERE)
    assert torch.allclose(graph.edges, wanted, rtol=1e-4)


def test_the_same_seed_remembers_the_same() -> None:
    modules, data = encoded()
    before = {name: tensor.clone() for name, tensor in modules.state_dict().items()}
    populate_memory(modules, data, tiny.two_level_agent().configuration)
    for name, tensor in modules.state_dict().items():
        assert torch.equal(tensor, before[name]), name
