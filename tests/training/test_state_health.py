"""Checks of a state in training: when they are made, and what counts as dead."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from forethought.agent_networks import AgentNetworks
from forethought.configurator import configure
from forethought.readout.missing_variation import StreamVariation
from forethought.training import state_health
from forethought.training.state_floor import StateFloor
from forethought.training.state_health import check_steps, constant_sentence, uninformative_sentence
from forethought.world_model.monitors import CollapseMonitor


def test_checks_begin_after_a_tenth_of_the_steps_and_end_with_the_last() -> None:
    assert sorted(check_steps(1000)) == [100, 200, 300, 500, 750, 1000]
    assert sorted(check_steps(400)) == [50, 80, 120, 200, 300, 400]
    assert check_steps(99) == frozenset()


@pytest.mark.parametrize(
    ("std", "before", "dead"),
    [(0.007, 0.006, True), (0.007, 0.001, False), (0.099, 0.08, True), (0.2, 0.19, False), (0.05, 1.0, True)],
)
def test_small_states_are_dead_where_they_do_not_grow(std: float, before: float, dead: bool) -> None:
    assert bool(constant_sentence(std, before)) == dead


def floor(trained: float, untrained: float, noise: float = 0.01) -> StateFloor:
    """Of 40 episodes that miss these shares of the lasting variation, give or take."""
    random = torch.Generator().manual_seed(0)
    excess = trained - untrained + noise * torch.randn(40, 1, 1, generator=random)
    missed = torch.tensor([[trained], [untrained]]) * 40
    variation = StreamVariation("pixels", None, torch.tensor([40.0]), missed, excess, torch.tensor([False]))
    return StateFloor((variation,), np.zeros((40, 2), np.int64))


@pytest.mark.parametrize(
    ("trained", "untrained", "noise", "less"),
    [
        (0.99, 0.9, 0.01, True),
        (0.9, 0.9, 0.01, False),
        (0.8, 0.9, 0.01, False),
        (0.99, 0.9, 10.0, False),
        (0.91, 0.9, 0.01, False),
    ],
)
def test_a_state_tells_less_beyond_chance_and_clearly(trained: float, untrained: float, noise: float, less: bool) -> None:
    assert floor(trained, untrained, noise).tells_less() == less


@pytest.mark.parametrize(
    ("r2", "found", "dead"),
    [(-0.2, floor(0.99, 0.9), True), (0.3, floor(0.99, 0.9), False), (-0.2, floor(0.0, 0.75), False), (-0.2, None, False)],
)
def test_a_state_that_tells_the_action_or_the_change_is_alive(
    monkeypatch: pytest.MonkeyPatch, r2: float, found: StateFloor | None, dead: bool
) -> None:
    """Distractors may be dropped on purpose, and under noise no linear map reads the action."""
    monkeypatch.setattr(state_health, "measure_state_floor", lambda *_: found)
    store = tiny.point_store(False)
    configuration = configure(store.spec, store.block, store.statistics(), overrides=tiny.SMALL)
    level, monitor = AgentNetworks(configuration).world_model, CollapseMonitor(1.0, 1.0, 8.0, r2, ())
    sentence = uninformative_sentence(monitor, level, store, configuration)
    assert bool(sentence) == dead
    if dead:
        assert "1% of what changes in an episode, untrained features 10%; R2 of the action -0.20" in sentence
