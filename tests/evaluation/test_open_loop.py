"""Open-loop error: zero for a perfect model, the copy's own for a model that says nothing changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.errors import ForethoughtError
from forethought.evaluation.open_loop import LONGEST, open_loop_error
from forethought.evaluation.probes import fit_probe


def still(agent: Agent) -> Agent:
    """An agent whose model says that nothing ever changes."""
    last = agent.modules.world_model.predictor.change[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    return agent


def test_a_model_of_standstill_is_as_wrong_as_the_copy() -> None:
    store = tiny.point_store(False)
    agent = still(tiny.point_agent(False))
    error = open_loop_error(agent, store, fit_probe(agent, store, "position"))
    longest = min(LONGEST, int(store.lengths_with_partial[store.heldout].max()))
    assert error.horizon.tolist() == list(range(1, longest + 1))
    np.testing.assert_allclose(error.state_error, error.copy_error, rtol=1e-4)
    assert (error.copy_error > 0).all()
    assert error.copy_error[-1] > error.copy_error[0]
    assert error.position_error is not None
    assert error.copy_position_error is not None
    assert error.position_error.shape == error.copy_position_error.shape == (longest,)
    np.testing.assert_allclose(error.position_error, error.copy_position_error, rtol=0.5)


def test_a_perfect_model_is_never_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    store, agent = tiny.point_store(False), tiny.point_agent(False)
    level = agent.modules.world_model
    monkeypatch.setattr(type(level), "encode", lambda self, observation: observation["proprioception"][..., :1] * 0 + 2)
    monkeypatch.setattr(
        type(level), "rollout", lambda self, context, actions: context.states[:, None].expand(-1, -1, actions.shape[2], -1)
    )
    with np.errstate(invalid="ignore"):
        error = open_loop_error(agent, store, None)
    assert not np.nan_to_num(error.state_error).any()
    assert error.position_error is None


def test_the_same_clips_each_time() -> None:
    store, agent = tiny.point_store(False), tiny.point_agent(False)
    first, again = open_loop_error(agent, store, None), open_loop_error(agent, store, None)
    np.testing.assert_array_equal(first.state_error, again.state_error)


def remembering(rows: int) -> Agent:
    """The tiny agent, as if its predictor read `rows` rows."""
    agent = tiny.point_agent(False)
    configuration = agent.configuration.changed({"model.predictor.context": rows}, "to see")
    networks = AgentNetworks(configuration)
    networks.load_state_dict(agent.modules.state_dict())
    return Agent(configuration, networks)


def test_a_model_that_reads_several_rows_is_given_them_before_it_imagines() -> None:
    store = tiny.point_store(False)
    longest = int(store.lengths_with_partial[store.heldout].max())
    error = open_loop_error(remembering(4), store, None)
    assert error.horizon.tolist() == list(range(1, longest - 3 + 1))
    with pytest.raises(ForethoughtError, match="no held-out episode of 20 blocks"):
        open_loop_error(remembering(20), store, None)
