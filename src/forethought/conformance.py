"""Conformance test of a registered part: its contract, then training, acting, saving and loading of a tiny agent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from forethought.actor import check_planner
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.configurator import configure
from forethought.cost import check_cost
from forethought.data.store import EpisodeStore
from forethought.data.writer import StoreWriter
from forethought.errors import ConformanceError, ForethoughtError
from forethought.parts import KINDS, Kind, find
from forethought.perception import check_perception
from forethought.training.agent_files import AGENT, load
from forethought.training.progress import quiet
from forethought.training.train import train
from forethought.types import ActionSpace, Episode, Observation, StreamSpec, Task, WorldSpec
from forethought.world_model import LossInputs, check_predictor, check_world_model

SETTING: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "encoder": lambda name: {"model.encoder.kind": name},
    "predictor": lambda name: {"model.predictor.kind": name},
    "world_model": lambda name: {"model.kind": name},
    "regulariser": lambda name: {"training.loss.extra": {name: 0.1}},
    "loss": lambda name: {"training.loss.extra": {name: 0.1}},
    "cost": lambda name: {"planner.cost.extra": {name: 0.1}},
    "planner": lambda name: {"planner.search.kind": name},
}
"""Settings that select a part of each kind by its name."""
PHASES = ("world_model", "predictor", "rollout", "critic", "policy")
TINY: Mapping[str, Any] = {
    **{f"training.{phase}_steps": 3 for phase in PHASES},
    **{f"training.{phase}_batch": 16 for phase in PHASES if phase != "world_model"},
    "training.batch": 16, "training.distillation_plans": 8, "training.sequence_length": 2, "training.rollout_horizon": 2,
    "model.encoder.hidden": 16, "model.encoder.width": 8, "model.encoder.state_dim": 16, "model.predictor.hidden": 16,
    "model.critic_hidden": 16, "training.loss.expander": 0, "model.policy_hidden": 16, "planner.horizon": 2,
    "planner.search.num_samples": 16, "planner.search.num_elites": 4, "planner.search.num_iterations": 2,
    "model.retrieval_size": 16,    "planner.retrieved_candidates": 2,
}  # fmt: skip
BLOCKS, EPISODES = 6, 12


def check_part(kind: Kind, name: str, store: EpisodeStore | None = None, config: Mapping[str, Any] | None = None) -> None:
    """Check the contract of a registered part, then train a tiny agent with it, act, save, load and resume. Takes seconds.

    Args:
        kind, name: as in `register`. store: episodes to train on; None for `point_store`.
        config: additional settings that the part needs.

    Raises:
        ConformanceError: the first violation of the contract: what, where, and the fix.
        ForethoughtError: nothing is registered under that name.

    >>> from forethought.parts import register
    >>> @register("regulariser", "small_states")
    ... def small_states(states):
    ...     return states.square().mean()
    >>> check_part("regulariser", "small_states")
    """
    find(kind, name)
    with tempfile.TemporaryDirectory() as folder, quiet("forethought"):
        source = store or point_store(Path(folder) / "store")
        settings = {**TINY, **SETTING[kind](name), **(config or {})}
        configuration = configure(source.spec, source.block, source.statistics(), overrides=settings)
        _contract(kind, name, configuration)
        try:
            _use(kind, name, source, settings, Path(folder) / "run")
        except ForethoughtError:
            raise
        except Exception as error:
            _fail(
                kind, name, f"keeps its contract, but fails in a tiny agent ({type(error).__name__}: {error})", "fix that error"
            )


def _contract(kind: Kind, name: str, configuration: Configuration) -> None:
    """The conformance kit of this kind."""
    space, dim, model = configuration.data, configuration.model.encoder.state_dim, configuration.model.predictor
    if kind == "planner":
        planner = configuration.planner
        instance = find(kind, name)(planner.search, planner.horizon)
        check_planner(instance, space.action_size if space.action_kind == "discrete" else None)
    elif kind in ("regulariser", "loss"):
        _check_term(kind, name, configuration)
    elif kind == "cost":
        cost = find(kind, name)(dim, configuration.planner.cost)
        cost.name = name
        check_cost(cost, dim, space.block_size, len(space.drives))
    else:
        level = AgentNetworks(configuration).world_model
        if kind == "encoder":
            check_perception(level.perception, space.streams, dim)
        elif kind == "predictor":
            check_predictor(level.predictor, dim, space.block_size, model.context)
        else:
            check_world_model(level, dim, space.block_size, model.context)


def _check_term(kind: Kind, name: str, configuration: Configuration) -> None:
    """The term gives one finite number, with a gradient in the states or predictions."""
    dim, size = configuration.model.encoder.state_dim, configuration.data.block_size
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(8, 4, dim, generator=generator).requires_grad_()
    following = torch.randn(8, 3, dim, generator=generator).requires_grad_()
    term = find(kind, name)
    instance = term(dim, size, configuration.training.loss) if isinstance(term, type) else term
    inputs = LossInputs(states, following, states[:, 1:], torch.randn(8, 3, size, generator=generator))
    value = instance(states) if kind == "regulariser" else instance(inputs)
    if not isinstance(value, Tensor) or value.ndim:
        _fail(kind, name, "gives more than one number", "take the mean")
    if not bool(torch.isfinite(value)):
        _fail(kind, name, "gives NaN or infinity for finite input", "look for a division, a root or a logarithm of zero")
    gradients = torch.autograd.grad(value, [states, following], allow_unused=True) if value.requires_grad else [None]
    if all(gradient is None for gradient in gradients):
        _fail(kind, name, "has no gradient in states or predictions", "leave out detach and no_grad")
    if not all(gradient is None or bool(torch.isfinite(gradient).all()) for gradient in gradients):
        _fail(kind, name, "has a gradient of NaN or infinity", "avoid roots and logarithms at zero")


def _use(kind: Kind, name: str, store: EpisodeStore, config: Mapping[str, Any], run: Path) -> None:
    """Train, act in each mode, load and resume, as in a user's run."""
    agent = train(store, out=run, config=config)
    plan = _act(agent, store)
    if not np.array_equal(_act(load(run, agent.device), store), plan):
        _fail(kind, name, "acts differently after loading", "keep what it learns in parameters and buffers")
    before = _frozen_weights(AgentNetworks(agent.configuration))
    after = agent.modules.state_dict()
    if any(not torch.equal(value, after[weight].cpu()) for weight, value in before.items()):
        _fail(kind, name, "changes weights that it marks as frozen", "unfreeze them, or do not change them")
    shutil.rmtree(run / AGENT)
    if not np.array_equal(_act(train(store, out=run, resume=True), store), plan):
        _fail(kind, name, "acts differently after a resume", "keep what it learns in parameters and buffers")


def _frozen_weights(networks: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in networks.named_parameters() if not value.requires_grad}


def _act(agent: Agent, store: EpisodeStore) -> np.ndarray:
    """Actions of a few decisions, in each mode."""
    observations = [store.read(int(episode)).observation for episode in store.train[:2]]
    now: Observation = {
        stream.name: np.stack([item[stream.name][0] for item in observations]) for stream in agent.body.settings.streams
    }
    goal_streams = agent.configuration.data.goal_streams
    goal = {stream.name: np.stack([item[stream.name][-1] for item in observations]) for stream in goal_streams}
    agent.reset(Task.reach(goal), seed=0)
    decisions = [agent.decide(now, mode) for mode in ("plan", "auto", "react", "plan")]
    return np.stack([decision.actions for decision in decisions])


def point_store(folder: Path) -> EpisodeStore:
    """Episodes of a point in the plane with two-dimensional actions; it observes its position and the sine of it."""
    spec = WorldSpec(
        "point", {}, (StreamSpec("proprioception", (4,), "float32"),), ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0)),
        2 * BLOCKS, 2, {}, (),
    )  # fmt: skip
    writer, rng = StoreWriter(folder, spec, 2, {}), np.random.default_rng(0)
    episodes = []
    for seed in range(EPISODES):
        actions = rng.uniform(-1, 1, (2 * BLOCKS, 2)).astype(np.float32)
        positions = (rng.uniform(-1, 1, 2) + np.concatenate([np.zeros((1, 2)), 0.2 * actions.cumsum(0)]))[::2]
        observed = np.concatenate([positions, np.sin(positions)], 1).astype(np.float32)
        drives = np.zeros((BLOCKS + 1, 0), np.float32)
        episodes.append(Episode({"proprioception": observed}, actions.reshape(BLOCKS, -1), {}, drives, seed))
    writer.append(episodes)
    return writer.finalise()


def _fail(kind: Kind, name: str, what: str, fix: str) -> None:
    raise ConformanceError(f"check_part: the {KINDS[kind].words} '{name}' {what}; {fix}.")
