"""Behaviour cloning: it learns what was recorded, reads its goal, leaves other random numbers alone, and stands in a score."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

import tiny
from forethought.agent import Agent
from forethought.data import EpisodeStore, StoreWriter
from forethought.errors import ForethoughtError
from forethought.evaluation import behaviour_cloning
from forethought.evaluation.arena import make_arena
from forethought.evaluation.behaviour_cloning import CloneController, clone, standardised
from forethought.evaluation.evaluate import evaluate
from forethought.training.agent_files import load
from forethought.training.train import train
from forethought.types import Episode, StreamSpec, WorldSpec
from forethought.worlds import registry

CART, STEPS = "CartPole-v1", 60
CART_OPTIONS: dict[str, Any] = {"streams": ["proprioception"], "max_steps": STEPS, "block": 1, "success_distance": 0.05}


@pytest.fixture(autouse=True)
def fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the training: the episodes here are few and simple."""
    monkeypatch.setattr(behaviour_cloning, "STEPS", 200)


def balanced(seed: int) -> Episode:
    """An episode that a linear rule balances."""
    cart = gymnasium.make(CART, max_episode_steps=STEPS)
    rows, actions = [cart.reset(seed=seed)[0]], []
    for _ in range(STEPS):
        position, speed, angle, turning = rows[-1]
        actions.append(int(3 * angle + turning + 0.1 * position + 0.3 * speed > 0))
        rows.append(cart.step(actions[-1])[0])
    rewards = np.append(0, np.ones(STEPS)).astype(np.float32)
    seen = np.stack(rows).astype(np.float32)
    no_drives = np.zeros((STEPS + 1, 0), np.float32)
    return Episode({"proprioception": seen}, np.eye(2, dtype=np.float32)[actions], {"state": seen}, no_drives, seed, rewards)


@cache
def cart_store() -> EpisodeStore:
    world = registry.make(CART, 1, **CART_OPTIONS)
    world.close()
    writer = StoreWriter(tiny.folder() / "cart", world.spec, 1, {"policy": "linear rule"}, held_out=0.3)
    writer.append([balanced(seed) for seed in range(12)])
    return writer.finalise()


@cache
def cart_run() -> Path:
    run = tiny.folder() / "cart-run"
    train(cart_store(), out=run, config=tiny.SMALL | {"model.hierarchy.levels": 1})
    return run


def cart_agent() -> Agent:
    return load(cart_run(), "cpu")


@pytest.mark.parametrize("conditioned", [True, False])
def test_a_clone_of_a_balancing_rule_balances(conditioned: bool) -> None:
    """In a world that is not ours, from numbers alone, and the untrained agent beside it does not."""
    store, agent = cart_store(), cart_agent()
    arena = make_arena(CART, CART_OPTIONS, 4, store)
    policy = clone(agent, store, conditioned=conditioned)
    found = arena.measure_return(CloneController(policy))
    assert (found.mean, found.length, found.episodes) == (STEPS, STEPS, len(arena.tasks.tasks))
    assert not any(weights.requires_grad for weights in policy.head.parameters()), "it learns no more"


def test_the_score_has_returns_and_clones_and_so_have_the_metrics(tmp_path: Path) -> None:
    score = evaluate(cart_run(), tasks=3, mode="react", out=tmp_path)
    baselines = {baseline.name: baseline for baseline in score.baselines}
    assert list(baselines) == ["random", "cloned", "cloned_without_goal"]
    assert score.episodes is not None
    returns = {name: baseline.episodes for name, baseline in baselines.items() if baseline.episodes is not None}
    assert returns["random"].mean < returns["cloned"].mean == STEPS
    assert baselines["random"].success_rate == score.random_floor
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["cloned_success_rate"] == baselines["cloned"].success_rate
    assert metrics["cloned_return"] == STEPS
    assert metrics["return"] == score.episodes.mean
    assert metrics["random_episode_length"] == returns["random"].length


def test_a_world_without_rewards_has_no_returns_and_one_clone() -> None:
    arena = make_arena(tiny.ROOMS, tiny.OPTIONS, 2)
    tasks = replace(arena.tasks, tasks=tuple(replace(task, budget=10) for task in arena.tasks.tasks))
    score = evaluate(tiny.rooms_run(), tasks=tasks, mode="react")
    assert score.episodes is None
    assert [baseline.name for baseline in score.baselines] == ["random", "expert", "cloned"]
    assert all(baseline.episodes is None for baseline in score.baselines)


def test_the_same_seed_gives_the_same_clone_and_other_random_numbers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behaviour_cloning, "STEPS", 10)
    agent, store = tiny.point_agent(), tiny.point_store(False)
    observation = {"proprioception": store.rows("proprioception", np.arange(5))}
    before = torch.get_rng_state()
    first, again, other = (clone(agent, store, conditioned=False, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first.act(observation, None), again.act(observation, None))
    assert (first.act(observation, None) != other.act(observation, None)).any()


def towards(seed: int) -> Episode:
    """A point on a line that goes left or right all the time: only the goal tells which."""
    way, blocks = 1 - 2 * (seed % 2), 8
    at = (0.1 * way * np.arange(blocks + 1))[:, None].astype(np.float32)
    actions = np.full((blocks, 4), 0.0, np.float32)
    actions[:, 0::2] = way
    actions[:, 1::2] = 1
    seen = np.repeat(at, 4, 1)
    return Episode({"proprioception": seen}, actions, {}, np.zeros((blocks + 1, 1), np.float32), seed)


def test_the_goal_decides(tmp_path: Path) -> None:
    spec = replace(tiny.point_store(False).spec, truth={})
    writer = StoreWriter(tmp_path / "line", spec, 2, {})
    writer.append([towards(seed) for seed in range(60)])
    policy = clone(tiny.point_agent(), writer.finalise())
    start = {"proprioception": np.zeros((2, 4), np.float32)}
    goal = {"proprioception": np.array([[-0.4] * 4, [0.4] * 4], np.float32)}
    actions = policy.act(start, policy.inputs(goal, goal=True))
    assert actions.shape == (2, 2, 2)
    assert (actions[0, :, 0] < -0.5).all()
    assert (actions[1, :, 0] > 0.5).all()


def test_images_go_through_the_frozen_encoder() -> None:
    agent, store = tiny.rooms_agent(), tiny.rooms_store()
    policy = clone(agent, store)
    observation = {"pixels": store.rows("pixels", np.arange(3))}
    assert policy.inputs(observation).shape == (3, agent.modules.world_model.metric.pool(torch.zeros(1, 16)).shape[1])
    assert np.abs(policy.act(observation, policy.inputs(observation, goal=True))).max() <= 1


def test_a_store_of_another_world_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="lacks the streams proprioception"):
        clone(tiny.point_agent(), tiny.rooms_store())
    spec: WorldSpec = replace(tiny.point_store(False).spec, streams=(StreamSpec("proprioception", (4,), "float32"),))
    writer = StoreWriter(tmp_path / "other-block", spec, 2, {})
    writer.append([tiny.point_episode(seed, 4, False) for seed in range(20)])
    assert clone(tiny.point_agent(), writer.finalise())
    with pytest.raises(ForethoughtError, match="lacks the actions or the block"):
        clone(tiny.point_agent(discrete=True), tiny.point_store(False))


def test_numbers_far_from_zero_keep_their_changes() -> None:
    stream = tiny.point_agent().configuration.data.streams[0]
    far = stream.model_copy(update={"mean": (1e9,) * 4, "std": (1.0,) * 4})
    values = np.full((2, 4), 1e9)
    values[1] += 2
    assert standardised(far, values)[1].tolist() == [2.0] * 4


def test_a_hindsight_goal_is_a_later_row_of_the_same_episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the goals are near; and each row up to the episode's end is one."""
    agent = tiny.point_agent(False)
    spec, lengths = tiny.point_store(False).spec, (3, 40, 9)
    writer = StoreWriter(tmp_path / "store", spec, 2, {}, held_out=0.3)
    for seed, number in enumerate((1, 2, 2, 2, 1, 0, 0, 1)):
        rows = lengths[number] + 1
        # Each row shows its episode and its number in it.
        seen = np.stack([np.full(rows, seed), np.arange(rows), *np.zeros((2, rows))], 1).astype(np.float32)
        drives, actions = np.zeros((rows, 1), np.float32), np.zeros((rows - 1, 4), np.float32)
        writer.append([Episode({"proprioception": seen}, actions, {"position": seen[:, :2]}, drives, seed)])
    store = writer.finalise()
    fed: list[torch.Tensor] = []
    plain = behaviour_cloning.ClonedPolicy.raw

    def noted(self: Any, inputs: torch.Tensor) -> torch.Tensor:
        fed.append(inputs)
        return plain(self, inputs)

    monkeypatch.setattr(behaviour_cloning.ClonedPolicy, "raw", noted)
    clone(agent, store)
    stream = agent.configuration.data.streams[0]
    mean, std = torch.tensor(stream.mean * 2), torch.tensor(stream.std * 2)
    episode, row, _, _, goal_episode, goal_row, _, _ = (torch.cat(fed) * std + mean).round().long().T
    assert torch.equal(episode, goal_episode)
    assert set(episode.tolist()) <= set(store.train.tolist())
    ahead, last = goal_row - row, torch.from_numpy(store.lengths)[episode]
    assert (ahead >= 1).all()
    assert (goal_row <= last).all()
    early = (last == 40) & (row < 10)
    assert early.sum() > 300
    assert 0.35 < (ahead[early] <= 5).float().mean() < 0.55, "0.67 of the near half, and a seventh of the rest"
    assert set((ahead + row)[early].tolist()) >= set(range(11, 41))
