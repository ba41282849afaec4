"""Probes of an agent's states: fitted on training episodes, judged on held-out ones."""

from __future__ import annotations

import numpy as np
import torch

import tiny
from forethought.evaluation.probes import encoded_truth, fit_probe, probe_r2


def test_states_and_truths_are_of_the_same_rows() -> None:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    states, truth = encoded_truth(agent, store, store.heldout)
    expected = np.concatenate([store.read(int(episode)).truth["position"] for episode in store.heldout])
    np.testing.assert_array_equal(truth["position"], expected)
    seen = np.concatenate([store.read(int(episode)).observation["proprioception"] for episode in store.heldout])
    encoded = agent.modules.world_model.encode({"proprioception": torch.from_numpy(seen)}).numpy()
    np.testing.assert_allclose(states, encoded, atol=1e-5)


def test_r2_is_high_where_the_state_tells_and_low_where_it_does_not() -> None:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    assert probe_r2(agent, store)["position"] > 0.9
    with torch.no_grad():
        agent.modules.world_model.perception.fuse.weight.zero_()
    assert probe_r2(agent, store)["position"] < 0.1


def test_a_truth_that_never_varies_is_left_out() -> None:
    store = tiny.rooms_store()
    found = probe_r2(tiny.rooms_agent(), store)
    constant = [
        name for name in store.spec.truth if np.ptp(store.rows(f"truth.{name}", np.arange(store.num_rows)), axis=0).max() == 0
    ]
    assert constant, "the wall and its door are fixed"
    assert set(found) == set(store.spec.truth) - set(constant)
    assert all(np.isfinite(value) for value in found.values())


def test_a_probe_reads_positions_off_states() -> None:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    states, truth = encoded_truth(agent, store, store.heldout)
    predicted = fit_probe(agent, store, "position").predict(states)
    assert np.abs(predicted - truth["position"]).mean() < 0.2
