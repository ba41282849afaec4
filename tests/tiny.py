"""Small stores and small trained agents, made once a session, for the tests of learning, acting and evaluating."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forethought.agent import Agent
from forethought.data import EpisodeStore, StoreWriter
from forethought.data.collection import collect
from forethought.training.agent_files import load
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.phases import Phase, step_generator
from forethought.training.stochastic_transitions import StochasticCounts
from forethought.training.train import train
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec

ROOMS, OPTIONS = "forethought/Rooms-v0", {"doors": "fixed", "max_steps": 40}

SMALL: dict[str, Any] = {
    "model.encoder.width": 8, "model.encoder.hidden": 32, "model.encoder.state_dim": 16,
    "model.predictor.hidden": 32, "training.loss.expander": 0, "model.predictor.kind": "mlp", "model.predictor.context": 1,
    "model.critic_hidden": 32,
    "planner.search.num_samples": 16, "planner.search.num_iterations": 2, "planner.search.num_elites": 4, "planner.horizon": 3,
    "model.retrieval_size": 64, "planner.retrieved_candidates": 4, "model.policy_hidden": 32,
    "training.batch": 16, "training.critic_batch": 32, "training.policy_batch": 32, "training.distillation_plans": 32,
    "training.world_model_steps": 12, "training.predictor_steps": 7, "training.predictor_batch": 32,
    "training.rollout_steps": 5, "training.rollout_batch": 16,
    "training.critic_steps": 12, "training.policy_steps": 12,
    "training.checkpoint_every": 5,
    "training.loss.episode_infonce": 0.5, "training.loss.multi_step_inverse": 3.0, "training.loss.within_episode_variance": 1.0,
}  # fmt: skip
"""Overrides that make training a matter of a second, with the losses for layouts, whatever the toys are taken for."""
POINTS: dict[str, Any] = {"model.predictor.depth": 3, "training.rollout_horizon": 8, "training.loss.lsuv_init": False}
"""More of them, for points."""
CHOICES: dict[str, Any] = {
    "training.loss.covariance": 0.2, "training.loss.ema": 0.8, "training.loss.episode_infonce": 0.0,
    "training.loss.inverse_dynamics": 3.0, "training.loss.multi_step_inverse": 0.0,
    "training.loss.within_episode_variance": 0.0,
}  # fmt: skip
"""The losses for objects, for points that are moved by choices."""


def learn(phase: Phase, steps: int) -> list[dict[str, float]]:
    """Take a prepared phase through `steps` of Adam; each step's `loss` and terms."""
    optimizer, told = torch.optim.Adam(phase.parameters(), lr=3e-3), []
    for step in range(steps):
        loss, terms = phase.step(step, step_generator(0, phase.name, step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        phase.after_step()
        told.append({"loss": loss.item()} | {name: term.item() for name, term in terms.items()})
    return told


def no_luck(data: EncodedDataset) -> StochasticCounts:
    """Nothing in these episodes was left to chance."""
    return lambda: torch.zeros(len(data.states), dtype=torch.int64)


@cache
def folder() -> Path:
    """A folder of this test process."""
    path = Path(tempfile.mkdtemp(prefix="forethought-tests-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@cache
def rooms_store() -> EpisodeStore:
    """Two rooms with a fixed wall and door, 120 episodes of 8 blocks."""
    return collect(ROOMS, out=folder() / "rooms", episodes=120, options=OPTIONS, workers=0, progress=False)


@cache
def rooms_run() -> Path:
    """A run on `rooms_store`: far too short to be good at anything."""
    run = folder() / "rooms-run"
    train(rooms_store(), out=run, config=SMALL)
    return run


def rooms_agent() -> Agent:
    """A fresh copy of that run's agent, on the CPU."""
    return load(rooms_run(), "cpu")


@cache
def two_level_run() -> Path:
    """The same with landmarks above."""
    run = folder() / "two-level-run"
    train(
        rooms_store(),
        out=run,
        config=SMALL | {"model.hierarchy.levels": 2, "model.hierarchy.kind": "graph", "model.hierarchy.landmarks": 24},
    )
    return run


def two_level_agent() -> Agent:
    """A fresh copy of that run's agent, on the CPU."""
    return load(two_level_run(), "cpu")


LEVELS: dict[str, Any] = {
    "model.hierarchy.levels": 3, "model.hierarchy.kind": "learned", "model.hierarchy.stride": 2,
    "model.hierarchy.state_dim": 12, "model.hierarchy.macro_dim": 3, "model.hierarchy.hidden": 32, "planner.upper.horizon": 2,
    "planner.upper.search.num_samples": 12, "planner.upper.search.num_iterations": 2, "planner.upper.search.num_elites": 3,
    "model.hierarchy.retrieval_size": 48,
    "training.levels_steps": 60, "training.levels_batch": 32, "training.distances_steps": 20, "training.distances_batch": 32,
}  # fmt: skip
"""Two learned levels above level 1, spanning 2 and 4 blocks."""

CODES: dict[str, Any] = {"model.latent.num_codes": 3, "planner.risk.num_scenarios": 4}
"""A latent variable, and plans in four futures."""


@cache
def long_store() -> EpisodeStore:
    """As `rooms_store`, but 40 episodes of 16 blocks."""
    options = OPTIONS | {"max_steps": 80}
    return collect(ROOMS, out=folder() / "long-rooms", episodes=40, options=options, workers=0, progress=False)


@cache
def three_level_run() -> Path:
    """A run on `long_store` with two learned levels above."""
    run = folder() / "three-level-run"
    train(long_store(), out=run, config=SMALL | LEVELS)
    return run


def three_level_agent() -> Agent:
    """A fresh copy of that run's agent, on the CPU."""
    return load(three_level_run(), "cpu")


@cache
def uncertain_run() -> Path:
    """The same with three codes at every level."""
    run = folder() / "uncertain-run"
    train(long_store(), out=run, config=SMALL | LEVELS | CODES)
    return run


def uncertain_agent() -> Agent:
    """A fresh copy of that run's agent, on the CPU."""
    return load(uncertain_run(), "cpu")


def point_episode(seed: int, blocks: int, discrete: bool) -> Episode:
    """A point in a square, pushed by its actions; it hurts on the right-hand side."""
    random = np.random.default_rng(seed)
    steps = 2 * blocks
    if discrete:
        actions = np.eye(4, dtype=np.float32)[random.integers(4, size=steps)]
        moves = actions @ np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    else:
        actions = random.uniform((-1, 0), (1, 2), (steps, 2)).astype(np.float32)
        moves = actions - (0, 1)
    at = [random.uniform(-1, 1, 2)]
    for move in moves:
        at.append(np.clip(at[-1] + 0.2 * move, -1, 1))
    position = np.stack(at)[::2].astype(np.float32)
    # A little sensor noise tells rows apart, also where the point rests in a corner.
    sensed = np.concatenate([position, np.sin(3 * position)], 1) + random.normal(0, 1e-3, (blocks + 1, 4))
    hurts = np.stack(at)[1:, 0].reshape(blocks, 2) > 0.5
    return Episode(
        observation={"proprioception": sensed.astype(np.float32)},
        actions=actions.reshape(blocks, -1),
        truth={"position": position},
        drives=np.concatenate([[0], hurts.sum(1)]).astype(np.float32)[:, None],
        seed=seed,
    )


@cache
def point_store(discrete: bool) -> EpisodeStore:
    """80 episodes of 4 to 9 blocks of a point in a square, seen as four numbers, with the drive `pain`."""
    action = ActionSpace("discrete", 4) if discrete else ActionSpace("continuous", 2, (-1.0, 0.0), (1.0, 2.0))
    spec = WorldSpec("toy", {}, (StreamSpec("proprioception", (4,), "float32"),), action, 20, 2, {"position": 2}, ("pain",))
    writer = StoreWriter(folder() / f"points-{discrete}", spec, 2, {})
    writer.append([point_episode(seed, 4 + seed % 6, discrete) for seed in range(80)])
    return writer.finalise()


@cache
def point_run(discrete: bool) -> Path:
    """A short run on `point_store`."""
    run = folder() / f"points-run-{discrete}"
    train(point_store(discrete), out=run, config=SMALL | (CHOICES if discrete else POINTS))
    return run


def point_agent(discrete: bool = False) -> Agent:
    """A fresh copy of that run's agent, on the CPU."""
    return load(point_run(discrete), "cpu")
