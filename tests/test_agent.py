"""The perception-action cycle: six modules in one loop, the same for one episode as for many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import tiny
from agent_fixtures import AGENTS, B, Observations, changed, decisions, one, see, store_of
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.goals import StateGoal
from forethought.memory.stalled_waypoints import PATIENCE
from forethought.planning import LandmarkSubgoals, NoSubgoals
from forethought.types import Task


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.parametrize("mode", ["react", "plan", "auto"])
def test_what_comes_out_can_be_done(kind: str, mode: str) -> None:
    agent = AGENTS[kind]()
    body, horizon = agent.configuration.data, agent.configuration.planner.horizon
    for decision in decisions(agent, list(range(B)), mode):
        assert decision.actions.shape == (B, body.block, body.action_size)
        assert decision.actions.dtype == np.float32
        if kind == "choices":
            assert (decision.actions.sum(-1) == 1).all()
            assert set(np.unique(decision.actions)) == {0.0, 1.0}
        else:
            assert (decision.actions >= np.array(body.low, np.float32)).all()
            assert (decision.actions <= np.array(body.high, np.float32)).all()
        assert decision.planned.shape == decision.calls.shape == (B,)
        if mode != "auto":
            assert decision.planned.tolist() == [mode == "plan"] * B
        if mode == "plan":
            assert decision.plan.states.shape == (B, horizon, 16)
            assert (decision.calls > horizon).all()
            assert torch.isfinite(decision.plan.energy).all()


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.parametrize("mode", ["react", "plan", "auto"])
def test_an_episode_does_not_notice_its_neighbours(kind: str, mode: str) -> None:
    """Plans, warm starts, memory and chance: alone or in a batch, over several decisions."""
    agent = AGENTS[kind]()
    together = decisions(agent, list(range(B)), mode)
    for rows in ([2], [4, 0]):
        alone = decisions(agent, rows, mode)
        for each, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_allclose(each.actions, all_of_them.actions[rows], atol=1e-4)
            assert torch.allclose(each.plan.energy, all_of_them.plan.energy[rows], atol=1e-4)
            assert each.planned.tolist() == all_of_them.planned[rows].tolist()


@pytest.mark.parametrize("mode", ["react", "plan"])
def test_the_level_below_goes_where_the_level_above_says(mode: str) -> None:
    agent = tiny.two_level_agent()
    decision = decisions(agent, list(range(B)), mode, 1)[0]
    route = decision.route
    assert route is not None
    assert isinstance(agent.subgoals, LandmarkSubgoals)
    assert route.subgoal.shape == (B, 16)
    goals = agent.modules.world_model.encode({"pixels": torch.from_numpy(see(agent, B, 1)["pixels"])})
    assert torch.allclose(route.stops[:, -1], goals, atol=1e-5), "every way ends at the goal"
    below = changed(agent)
    below.subgoals = NoSubgoals()
    below.reset(Task.reach(see(agent, B, 1)), seeds=range(100, 100 + B))
    below.subgoals.reset(StateGoal(route.subgoal), EpisodeGenerators(range(B)))
    np.testing.assert_allclose(below.decide(see(agent, B, 10), mode).actions, decision.actions, atol=1e-5)


def test_a_stop_that_is_not_reached_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forethought.memory.stalled_waypoints.ARRIVED", 0.0)  # this agent thinks everything near
    agent = tiny.two_level_agent()
    agent.reset(Task.reach(one(see(agent, B, 1), 0)), seed=0)
    here = one(see(agent, B, 10), 0)
    stops = [agent.decide(here, "react").route.stop.item() for _ in range(3 * PATIENCE)]
    assert agent.subgoals.stalled.penalty.sum() > 0
    assert len(set(stops)) > 1
    agent.reset(Task.reach(one(see(agent, B, 1), 0)), seed=0)
    assert not agent.subgoals.stalled.penalty.any(), "a new episode begins without prejudice"
    assert agent.decide(here, "react").route.stop.item() == stops[0]


def test_the_same_seed_is_the_same_plan_and_another_is_another() -> None:
    agent = tiny.point_agent(False)
    goals, now = see(agent, B, 1), see(agent, B, 2)

    def plan(**seed: Any) -> np.ndarray:
        agent.reset(Task.reach(goals), **seed)
        return agent.decide(now, "plan").actions

    np.testing.assert_array_equal(plan(seed=7), plan(seed=7))
    np.testing.assert_array_equal(plan(seed=7), plan(seeds=range(7, 7 + B)))
    assert not np.array_equal(plan(seed=7), plan(seed=700))


@pytest.mark.parametrize("kind", AGENTS)
def test_act_plays_the_decisions_steps(kind: str) -> None:
    agent = AGENTS[kind]()
    expected = np.concatenate([decision.actions[0] for decision in decisions(agent, [0], "plan", 3)])
    block = agent.configuration.data.block
    agent.reset(Task.reach(one(see(agent, B, seed=1), 0)), seed=100)
    played = []
    for step in range(3 * block):
        now = one(see(agent, B, seed=10 + step // block), 0)
        # Between decisions nobody looks.
        blind = {name: np.zeros_like(values) for name, values in now.items()}
        played.append(agent.act(now if step % block == 0 else blind, "plan"))
    assert played[0].shape == (agent.configuration.data.action_size,)
    np.testing.assert_allclose(np.stack(played), expected, atol=1e-6)


def test_act_on_a_batch_gives_a_batch() -> None:
    agent = tiny.point_agent(False)
    agent.reset(Task.reach(see(agent, B, 1)), seed=0)
    assert agent.act(see(agent, B, 2), "react").shape == (B, 2)
    agent.reset(Task.reach(one(see(agent, B, 1), 0)), seed=0)
    action = agent.act(one(see(agent, B, 2), 0), "react")
    assert action.shape == (2,)
    assert agent.plan_of_record is not None, "a reset empties the queue, so this was a new decision"
    np.testing.assert_array_equal(action, agent.plan_of_record.actions[0, 0])


def test_react_is_the_policy() -> None:
    agent = tiny.point_agent(False)
    goals, now = see(agent, B, 1), see(agent, B, 2)
    agent.reset(Task.reach(goals), seed=0)
    decision = agent.decide(now, "react")
    state, goal = (
        agent.modules.world_model.encode({name: torch.from_numpy(values) for name, values in each.items()})
        for each in (now, goals)
    )
    expected = agent.body.to_world(agent.modules.policy(state, goal)).numpy()
    np.testing.assert_allclose(decision.actions, expected, atol=1e-6)


def test_memory_keeps_what_was_seen_done_and_felt() -> None:
    agent = tiny.point_agent(False)
    goals = see(agent, 2, 1)
    agent.reset(Task.reach(goals), seed=0)
    felt = np.array([[0.5], [2.0]], np.float32)
    first = agent.decide(see(agent, 2, 2), "plan")
    agent.decide(see(agent, 2, 3), "plan", felt)
    assert agent.memory.filled == 2
    recent = agent.memory.context(2)
    now = {name: torch.from_numpy(values) for name, values in see(agent, 2, 3).items()}
    assert torch.allclose(recent.states[:, -1], agent.modules.world_model.encode(now), atol=1e-6)
    done = agent.body.to_model(torch.from_numpy(first.actions).flatten(1))
    assert torch.allclose(recent.actions[:, 0], done, atol=1e-5)
    energies = agent.memory._ring["energies"][:, :2]
    assert torch.allclose(energies[:, 0], torch.zeros(2, 2))
    assert torch.allclose(energies[:, 1, 1], torch.tensor([0.5, 2.0]), atol=1e-6)
    assert torch.allclose(energies[:, 1, 0], done.square().mean(1), atol=1e-5)
    agent.reset(Task.reach(goals), seed=0)
    assert agent.memory.filled == 0


def with_a_past() -> Agent:
    """An untrained agent whose predictor reads three rows."""
    small = {"kind": "transformer", "context": 3, "heads": 2, "hidden": 16, "depth": 1}
    settings = tiny.point_agent(False).configuration.model_dump()
    settings["model"]["predictor"] |= small
    made = Configuration.model_validate(settings)
    return Agent(made, AgentNetworks(made), torch.device("cpu"))


@pytest.mark.parametrize("drives", [[0.1], [[0.1, 0.2]] * B, [[float("nan")]] * B])
def test_drives_that_do_not_fit_are_refused(drives: list[Any]) -> None:
    agent = tiny.point_agent(False)
    agent.reset(Task.reach(see(agent, B, 1)))
    with pytest.raises(ForethoughtError, match=r"drives of shape .* give 1 finite numbers \(pain\) for each of 5 episodes"):
        agent.decide(see(agent, B), "react", np.array(drives, np.float32))
    assert agent.memory.filled == 0


def test_the_past_counts_where_the_predictor_reads_it() -> None:
    goal = Task.reach(see(tiny.point_agent(False), 1, 1))
    for agent, reads in ((with_a_past(), True), (tiny.point_agent(False), False)):
        energies = []
        for past in (2, 3):
            agent.reset(goal, seed=0)
            agent.decide(see(agent, 1, past), "react")
            energies.append(agent.decide(see(agent, 1, 9), "auto").plan.energy.item())
        assert (abs(energies[0] - energies[1]) > 1e-5) is reads


def test_with_a_past_episodes_are_still_strangers() -> None:
    agent = changed(with_a_past(), planner={"retrieved_candidates": 0})
    together, alone = decisions(agent, [0, 1, 2], "plan", 4), decisions(agent, [1], "plan", 4)
    for each, all_of_them in zip(alone, together, strict=True):
        np.testing.assert_allclose(each.actions, all_of_them.actions[[1]], atol=1e-4)


def test_imagination_is_the_world_models_rollout() -> None:
    agent = tiny.point_agent(False)
    now = one(see(agent, 1), 0)
    actions = np.random.default_rng(0).uniform((-1, 0), (1, 2), (4, 3, 2, 2)).astype(np.float32)
    found = agent.imagine(now, actions)
    futures = found.states[0]
    assert futures.shape == (4, 3, 16)
    assert found.odds.tolist() == [[1.0] * 4]
    assert torch.allclose(agent.imagine(now, actions[2]).states[0], futures[2], atol=1e-5)
    for wrong in (actions[0, 0], actions[..., :-1], actions[:, :, :1]):
        with pytest.raises(ForethoughtError, match="are no plan of this agent: give"):
            agent.imagine(now, wrong)
    frozen = np.frombuffer(actions.tobytes(), np.float32).reshape(actions.shape)
    for given in (frozen, actions[::-1].copy()[::-1]):
        assert torch.allclose(agent.imagine(now, given).states[0], futures, atol=1e-5)
    with pytest.raises(ForethoughtError, match="at least one"):
        agent.imagine(now, actions, samples=0)
    state = agent.modules.world_model.encode({name: torch.from_numpy(values) for name, values in now.items()})
    first = agent.modules.world_model.predict(state[None], agent.body.to_model(torch.from_numpy(actions[0, 0]).flatten())[None])
    assert torch.allclose(first[0], futures[0, 0], atol=1e-5)


def lived(agent: Agent, rows: int, blocks: int) -> tuple[Observations, np.ndarray, Observations]:
    """What was seen, done and seen after each block, at the beginning of some recorded episodes."""
    clips = store_of(agent).clips(np.arange(rows), np.zeros(rows, np.int64), blocks)
    actions = clips.actions.reshape(rows, blocks, agent.configuration.data.block, -1)
    now, later = ({name: values[:, part] for name, values in clips.observation.items()} for part in (0, slice(1, None)))
    return now, actions, later


@pytest.mark.parametrize("kind", [kind for kind in AGENTS if kind != "chance"])
def test_the_energy_of_a_future_is_its_error_block_by_block(kind: str) -> None:
    agent = AGENTS[kind]()
    now, actions, later = lived(agent, B, 3)
    found = agent.energy(now, actions, later)
    assert found.shape == (B,)
    by_hand = []
    for row in range(B):
        seen = [one(now, row)] + [{name: values[row, block] for name, values in later.items()} for block in range(3)]
        states = [agent.senses.state(each)[0] for each in seen]
        errors = [
            (agent.imagine(seen[block], actions[row, block : block + 1]).states[0][0] - states[block + 1]).square().mean()
            for block in range(3)
        ]
        by_hand.append(torch.stack(errors).mean())
    assert torch.allclose(found, torch.stack(by_hand), atol=1e-5)
    alone = agent.energy(
        *(
            {name: values[1:2] for name, values in part.items()} if part is not actions else actions[1:2]
            for part in (now, actions, later)
        )
    )
    assert torch.allclose(alone, found[1:2], atol=1e-5)


def test_the_free_energy_of_a_future_is_a_soft_minimum() -> None:
    agent = tiny.uncertain_agent()
    given = lived(agent, B, 3)
    least, warm, cold = (agent.energy(*given, temperature=temperature) for temperature in (0.0, 1.0, 1e-5))
    assert (warm < least - 1e-3).all()
    assert torch.allclose(cold, least, atol=1e-4)
    with pytest.raises(ForethoughtError, match="temperature"):
        agent.energy(*given, temperature=-1.0)


def test_the_energy_of_a_future_is_that_of_the_best_way_that_it_may_have_gone() -> None:
    agent = tiny.uncertain_agent()
    given, codes = lived(agent, B, 1), torch.eye(3)
    each = torch.stack([agent.energy(*given, z=code.expand(B, 1, -1)) for code in codes])
    assert torch.allclose(each.amin(0), agent.energy(*given))
    assert (each.amax(0) > each.amin(0)).all()
    with pytest.raises(ForethoughtError, match=r"give shape \[5, 1, 3\]"):
        agent.energy(*given, z=codes[:1])
    with pytest.raises(ForethoughtError, match="leave out either"):
        agent.energy(*given, temperature=1.0, z=codes)
    agent = tiny.rooms_agent()
    with pytest.raises(ForethoughtError, match="no latent variable"):
        agent.energy(*lived(agent, B, 1), z=torch.zeros(B, 1, 3))


def test_an_agent_says_which_way_a_future_went() -> None:
    agent = tiny.uncertain_agent()
    given = lived(agent, B, 3)
    z, cost = agent.explain(*given)
    assert (z.shape, cost.shape) == ((B, 3, 3), (B, 3))
    assert torch.equal(z.sum(-1), torch.ones(B, 3))
    assert torch.allclose(agent.energy(*given, z=z), agent.energy(*given), atol=1e-6)
    assert torch.allclose(cost.mean(1), agent.energy(*given), atol=1e-6)
    agent = tiny.rooms_agent()
    with pytest.raises(ForethoughtError, match="no latent variable"):
        agent.explain(*lived(agent, B, 1))


def test_a_future_that_does_not_fit_is_refused() -> None:
    agent = tiny.point_agent(False)
    now, actions, later = lived(agent, B, 3)
    fewer = {name: values[:, :2] for name, values in later.items()}
    for given in ((now, actions, fewer), (now, actions[:2], later), (now, actions[:, :, :1], later), (now, actions[0], later)):
        with pytest.raises(ForethoughtError, match="don't fit 5 observations"):
            agent.energy(*given)
    with pytest.raises(ForethoughtError, match="proprioception"):
        agent.energy(now, actions, {"pixels": later["proprioception"]})


def test_settings_that_are_fixed_with_the_weights_are_refused_and_others_take_effect() -> None:
    agent = tiny.three_level_agent()
    for changes, told in (
        ({"model.hierarchy.levels": 4}, r"made with other settings \(model.hierarchy\).*new training"),
        ({"model.latent_distance_radius": 9.0}, r"made with other settings \(model\)"),
        ({"model.predictor.context": 2}, r"made with other settings \(model.predictor\)"),
    ):
        with pytest.raises(ForethoughtError, match=told):
            Agent(agent.configuration.changed(changes, "to see"), agent.modules, agent.device)
    shallower = agent.configuration.changed({"planner.upper.max_levels": 2}, "to see")
    assert len(Agent(shallower, agent.modules, agent.device).subgoals.stages) == 1
    graph = tiny.two_level_agent()
    farther = graph.configuration.changed({"planner.upper.critic_radius": 99.0}, "to see")
    with pytest.raises(ForethoughtError, match="critic_radius = 99, the longest edge of the landmark graph"):
        Agent(farther, graph.modules, graph.device)


def test_what_can_not_be_imagined_is_refused() -> None:
    agent = tiny.point_agent(False)
    body, now = agent.configuration.data, see(agent, B, 2)
    plan = np.zeros((2, body.block, body.action_size), np.float32)
    with pytest.raises(ForethoughtError, match="5 observations came"):
        agent.imagine(now, plan)
    for empty in (plan[:0], np.zeros((0, *plan.shape), np.float32)):
        with pytest.raises(ForethoughtError, match="no plan of this agent"):
            agent.imagine(one(now, 0), empty)
    plan[1, 0, 1] = np.nan
    with pytest.raises(NonFiniteError, match=r"actions hold a NaN or infinity at index \[1, 0, 1\]"):
        agent.imagine(one(now, 0), plan)
    later = {name: np.stack([values] * 2, 1) for name, values in now.items()}
    with pytest.raises(NonFiniteError, match=r"at index \[0, 1, 0, 1\]"):
        agent.energy(now, np.stack([plan] * B), later)
