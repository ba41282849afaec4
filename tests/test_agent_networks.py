"""All weights of an agent: a function of its configuration, and complete in their saved form."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.cost import Imagined, Weights
from forethought.goals import StateGoal

BODY: dict[str, Any] = {
    "world": "toy",
    "streams": [{"name": "proprioception", "shape": [3], "mean": [0.0] * 3, "std": [1.0] * 3}],
    "action_kind": "continuous", "action_size": 2, "low": [-1.0, -1.0], "high": [1.0, 1.0], "block": 2,
}  # fmt: skip
SMALL: dict[str, Any] = {
    "model": {
        "encoder": {"state_dim": 6, "hidden": 16},
        "predictor": {"hidden": 16},
        "critic_hidden": 16,
        "retrieval_size": 7,
        "retrieval_horizon": 3,
        "policy_hidden": 16,
    },
    "planner": {
        "cost": {"drive_weights": {"effort": 0.5}},
        "horizon": 3,
        "retrieved_candidates": 4,
        "upper": {"horizon": 2, "search": {"kind": "icem", "num_samples": 16, "num_elites": 4}},
    },
}


def make(seed: int = 0, body: dict[str, Any] | None = None, hierarchy: dict[str, Any] | None = None) -> AgentNetworks:
    model = SMALL["model"] | {"hierarchy": hierarchy or {}}
    beside = {"training": {"seed": seed}, "model": model, "data": BODY | (body or {})}
    return AgentNetworks(Configuration.model_validate(SMALL | beside))


def test_weights_are_a_function_of_the_seed_and_leave_the_global_stream_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = make(0).state_dict(), make(0).state_dict(), make(1).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    weights = [name for name in first if name.endswith("weight") and first[name].ndim > 1]
    assert weights
    assert not any(torch.equal(first[name], other[name]) for name in weights)


@pytest.mark.parametrize("drives", [[], ["pain"], ["pain", "hunger"]])
def test_everything_that_the_agent_needs_is_saved(drives: list[str]) -> None:
    modules, empty = make(0, {"drives": drives}), make(1, {"drives": drives})
    modules.blend.scale.fill_(3.0)
    modules.bank_states.normal_()
    modules.policy.scale.mean.fill_(2.0)
    modules.critic.scale.mean.fill_(1.5)
    empty.load_state_dict(modules.state_dict())
    observation = {"proprioception": torch.randn(4, 3)}
    state, goal = modules.world_model.encode(observation), torch.randn(4, 6)
    assert torch.equal(empty.world_model.encode(observation), state)
    assert torch.equal(empty.policy(state, goal), modules.policy(state, goal))
    imagined = Imagined(torch.randn(4, 2, 3, 6), torch.rand(4, 2, 3, 4))
    weights = Weights({"effort": 1.0, **dict.fromkeys(drives, 1.0)}, {"critic": 1.0, "goal_distance": 0.5})
    wanted = StateGoal(goal)
    assert torch.equal(empty.energy_of(imagined, wanted, weights).total, modules.energy_of(imagined, wanted, weights).total)
    assert torch.equal(empty.bank_states, modules.bank_states)
    assert (modules.energy.readout is not None) is bool(drives)


def test_the_bank_and_the_states_have_the_configured_sizes() -> None:
    modules = make()
    assert modules.bank_states.shape == (7, 6)
    assert modules.bank_actions.shape == (7, 3, 4)
    assert modules.critic is modules.blend.far


def test_a_moment_that_was_drawn_twice_does_not_make_memory_look_dense() -> None:
    """A small store has fewer moments than the bank has places."""
    stages = []
    for copies in (1, 4):
        levels = {
            "levels": 2, "kind": "learned", "retrieval_size": 32 * copies, "state_dim": 5, "macro_dim": 2,
            "retrieval_horizon": 2,
        }  # fmt: skip
        stage = make(0, hierarchy=levels).above[0]
        states, macros = torch.randn(32, 5, generator=torch.Generator().manual_seed(0)), torch.zeros(32 * copies, 2, 2)
        stage.remember(states.repeat(copies, 1), macros, states.repeat(copies, 1) + 1, torch.zeros(32 * copies, 6))
        stages.append(stage)
    assert torch.allclose(stages[0].nn_distance_p95, stages[1].nn_distance_p95)
    assert stages[1].ood_distance(stages[1].bank_states + 0.01).max() < 0.1
