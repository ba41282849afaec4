"""Novelty: high where nothing was seen, low where much was, also where what was seen is noise."""

from __future__ import annotations

import torch

from forethought.world_model.disagreement import Disagreement

D, A = 4, 2


def trained(noise: float) -> tuple[Disagreement, torch.Tensor, torch.Tensor]:
    """On states near 0; the first number of what follows is noise of this size."""
    torch.manual_seed(0)
    disagreement = Disagreement(D, A)
    optimizer = torch.optim.Adam(disagreement.parameters(), lr=3e-3)
    states, actions = torch.randn(512, D) * 0.3, torch.rand(512, A) * 2 - 1
    disagreement.observe(states, actions)
    for _ in range(400):
        rows = torch.randint(512, (128,))
        following = states[rows] + 0.1 * actions[rows].sum(-1, keepdim=True)
        following[:, 0] += noise * torch.randn(128)
        optimizer.zero_grad()
        disagreement.loss(states[rows], actions[rows], following).mean().backward()
        optimizer.step()
        disagreement.observe(states[rows], actions[rows])
    return disagreement, states, actions


def test_what_was_seen_is_no_longer_new() -> None:
    """And what is far from it is."""
    disagreement, states, actions = trained(noise=0.0)
    known = float(disagreement.novelty(states, actions).mean())
    assert 0.3 < known < 3, "where the agent has been it is about 1, whatever the members have learned"
    assert float(disagreement.novelty(states + 3, actions).mean()) > 5 * known


def test_noise_that_was_seen_often_is_no_longer_new() -> None:
    """A television that shows noise: its error stays, its novelty does not."""
    disagreement, states, actions = trained(noise=0.5)
    following = states + torch.cat([0.5 * torch.randn(512, 1), torch.zeros(512, D - 1)], -1)
    assert float(disagreement.loss(states, actions, following).mean().detach()) > 0.05
    noisy = float(disagreement.novelty(states, actions).mean())
    assert float(disagreement.novelty(states + 3, actions).mean()) > 3 * noisy


def test_a_noisy_place_is_less_new_than_one_that_was_never_seen() -> None:
    """Half of the space shows noise, the other half none: what lies beyond both draws most."""
    torch.manual_seed(0)
    disagreement = Disagreement(D, A)
    optimizer = torch.optim.Adam(disagreement.parameters(), lr=1e-3)
    states, actions = torch.rand(2048, D) * 2 - 1, torch.rand(2048, A) * 2 - 1
    noisy = (states[:, 1] > 0).float()
    for _ in range(600):
        rows = torch.randint(2048, (128,))
        following = states[rows] + 0.1 * actions[rows].sum(-1, keepdim=True)
        following[:, 0] += 0.5 * noisy[rows] * torch.randn(128)
        optimizer.zero_grad()
        disagreement.loss(states[rows], actions[rows], following).mean().backward()
        optimizer.step()
        disagreement.observe(states[rows], actions[rows])
    television = float(disagreement.novelty(states[noisy > 0], actions[noisy > 0]).mean())
    beyond = float(disagreement.novelty(states + 2.5, actions).mean())
    assert beyond > 2 * television


def test_it_does_not_move_the_states() -> None:
    """Its loss trains its members alone."""
    disagreement, states = Disagreement(D, A), torch.randn(8, D, requires_grad=True)
    disagreement.loss(states, torch.zeros(8, A), states + 1).mean().backward()
    assert states.grad is None
