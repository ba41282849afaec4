"""The predictor's own phase: the encoder stays, the predictor improves on cached states."""

from __future__ import annotations

import torch

import tiny
from forethought.learning.phases import step_generator
from forethought.learning.predictor_phase import PredictorPhase
from forethought.learning.states import encode_store


def make() -> PredictorPhase:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    agent.modules.requires_grad_(True)
    data = encode_store(agent.modules.world_model, store, store.train, agent.body)
    phase = PredictorPhase(agent.modules, agent.configuration, lambda: data)
    phase.prepare()
    return phase


def test_only_the_predictor_learns_and_it_does() -> None:
    phase = make()
    before = {name: tensor.clone() for name, tensor in phase.level.state_dict().items()}
    optimizer = torch.optim.Adam(phase.parameters(), lr=3e-3)
    losses = []
    for step in range(120):
        loss, terms = phase.loss(step, step_generator(0, "predictor", step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert list(terms) == ["ahead_1"]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    moved = {name.split(".")[0] for name, tensor in phase.level.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"predictor"}


def test_a_step_is_a_function_of_its_generator() -> None:
    phase = make()
    losses = [phase.loss(0, step_generator(seed, "predictor", 0))[0].item() for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_it_starts_afresh_once_and_reads_whitened_states() -> None:
    phase = make()
    phase.loss(0, step_generator(0, "predictor", 0))
    white = phase.level.predictor.scale(phase.data.states)
    assert white.std(0).max() < 1.1
    before = {name: tensor.clone() for name, tensor in phase.level.predictor.state_dict().items()}
    phase.loss(1, step_generator(0, "predictor", 1))
    assert all(torch.equal(tensor, before[name]) for name, tensor in phase.level.predictor.state_dict().items())
