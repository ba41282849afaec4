"""The autoencoder's gates: they stay in [0, 1], stop what they must stop, and shut before what can't be predicted."""

from __future__ import annotations

import torch

from forethought_benchmarks.reconstruction_baselines.latent_gating import Gates


def test_openness_lies_between_zero_and_one() -> None:
    gates = Gates(5)
    with torch.no_grad():
        gates.logits.copy_(torch.tensor([-100.0, -0.1, 0.0, 0.1, 100.0]))
    assert gates.openness[0] == 0
    assert gates.openness[2] == 0.5
    assert gates.openness[4] == 1
    assert (gates.openness.diff() > 0).all()


def test_a_shut_gate_lets_noise_of_the_same_spread_through_and_nothing_else() -> None:
    gates, states = Gates(2), 3 * torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        gates.logits.copy_(torch.tensor([-100.0, 100.0]))
    seen = gates(states, torch.Generator().manual_seed(1))
    assert torch.equal(seen[:, 1], states[:, 1])
    assert abs(torch.corrcoef(torch.stack([seen[:, 0], states[:, 0]]))[0, 1]) < 0.05
    assert abs(seen[:, 0].std() / states[:, 0].std() - 1) < 0.05


def test_gates_shut_before_what_cannot_be_foreseen() -> None:
    """One component is predicted, one is a guess; only the cost of being open is minimised, and the guess costs all of it."""
    generator = torch.Generator().manual_seed(0)
    gates, states = Gates(2), torch.randn(1000, 2, generator=generator)
    predicted = torch.stack([states[:, 0], torch.zeros(1000)], 1)
    optimizer = torch.optim.Adam(gates.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        gates.cost(predicted, states).backward()
        optimizer.step()
    assert gates.openness[0] > 0.9
    assert gates.openness[1] < 0.1
