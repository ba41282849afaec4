"""One kit for every kind of part: its contract, a tiny training by its name, a tiny agent, and the way to disk and back."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
"""How a run names a part of each kind."""
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
    """Hold a registered part to its contract, then train a tiny agent with it, act, save, load and resume. Takes seconds.

    Args:
        kind, name: as in `register`. store: episodes to train on; None for a point that moves about, seen as four numbers.
        config: further settings that the part needs.

    Raises:
        ConformanceError: the first promise that is broken: what, where, and the fix.
        ForethoughtError: nothing is registered under that name.

    >>> from forethought.parts import register
    >>> @register("regulariser", "small_states")
    ... def small_states(states):
    ...     return states.square().mean()
    >>> check_part("regulariser", "small_states")
    """
    find(kind, name)
    with tempfile.TemporaryDirectory() as folder, quiet():
        source = store or point_store(Path(folder) / "store")
        wanted = {**TINY, **SETTING[kind](name), **(config or {})}
        configuration = configure(source.spec, source.block, source.statistics(), overrides=wanted)
        _contract(kind, name, configuration)
        try:
            _use(kind, name, source, wanted, Path(folder) / "run")
        except ForethoughtError:
            raise
        except Exception as error:
            _fail(kind, name, f"keeps its contract, and fails in a tiny agent ({type(error).__name__}: {error})", "mend that")


def _contract(kind: Kind, name: str, configuration: Configuration) -> None:
    """The kit of this kind alone."""
    space, dim, model = configuration.data, configuration.model.encoder.state_dim, configuration.model.predictor
    if kind == "planner":
        planner = configuration.planner
        made = find(kind, name)(planner.search, planner.horizon)
        check_planner(made, space.action_size if space.action_kind == "discrete" else None)
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
    """One finite number, with a gradient in the states or predictions."""
    dim, size = configuration.model.encoder.state_dim, configuration.data.block_size
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(8, 4, dim, generator=generator).requires_grad_()
    following = torch.randn(8, 3, dim, generator=generator).requires_grad_()
    term = find(kind, name)
    made = term(dim, size, configuration.training.loss) if isinstance(term, type) else term
    inputs = LossInputs(states, following, states[:, 1:], torch.randn(8, 3, size, generator=generator))
    value = made(states) if kind == "regulariser" else made(inputs)
    if not isinstance(value, Tensor) or value.ndim:
        _fail(kind, name, "gives more than one number", "take the mean")
    if not bool(torch.isfinite(value)):
        _fail(kind, name, "gives NaN or infinity for finite input", "look for a division, a root or a logarithm of zero")
    slopes = torch.autograd.grad(value, [states, following], allow_unused=True) if value.requires_grad else [None]
    if all(slope is None for slope in slopes):
        _fail(kind, name, "has no gradient in what the model gives", "leave out detach and no_grad")
    if not all(slope is None or bool(torch.isfinite(slope).all()) for slope in slopes):
        _fail(kind, name, "has a gradient of NaN or infinity", "keep away from roots and logarithms at zero")


def _use(kind: Kind, name: str, store: EpisodeStore, config: Mapping[str, Any], run: Path) -> None:
    """Training, acting in each mode, loading and resuming: as a run of the user's does."""
    agent = train(store, out=run, config=config)
    plan = _act(agent, store)
    if not np.array_equal(_act(load(run, agent.device), store), plan):
        _fail(kind, name, "acts otherwise when it is loaded", "keep what it learns in parameters and buffers")
    before = _frozen_weights(AgentNetworks(agent.configuration))
    after = agent.modules.state_dict()
    if any(not torch.equal(value, after[weight].cpu()) for weight, value in before.items()):
        _fail(kind, name, "changes weights that it holds frozen", "unfreeze them, or leave them as they are")
    shutil.rmtree(run / AGENT)
    if not np.array_equal(_act(train(store, out=run, resume=True), store), plan):
        _fail(kind, name, "is another after a resume", "keep what it learns in parameters and buffers")


def _frozen_weights(networks: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in networks.named_parameters() if not value.requires_grad}


def _act(agent: Agent, store: EpisodeStore) -> np.ndarray:
    """Actions of a few decisions, in each mode."""
    seen = [store.read(int(episode)).observation for episode in store.train[:2]]
    now: Observation = {stream.name: np.stack([one[stream.name][0] for one in seen]) for stream in agent.body.settings.streams}
    shown = agent.configuration.data.goal_streams
    agent.reset(Task.reach({stream.name: np.stack([one[stream.name][-1] for one in seen]) for stream in shown}), seed=0)
    decisions = [agent.decide(now, mode) for mode in ("plan", "auto", "react", "plan")]
    return np.stack([decision.actions for decision in decisions])


def point_store(folder: Path) -> EpisodeStore:
    """A point in a square, pushed by two numbers; seen as its place and the sine of it."""
    spec = WorldSpec(
        "point", {}, (StreamSpec("proprioception", (4,), "float32"),), ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0)),
        2 * BLOCKS, 2, {}, (),
    )  # fmt: skip
    writer, draws = StoreWriter(folder, spec, 2, {}), np.random.default_rng(0)
    episodes = []
    for seed in range(EPISODES):
        actions = draws.uniform(-1, 1, (2 * BLOCKS, 2)).astype(np.float32)
        places = (draws.uniform(-1, 1, 2) + np.concatenate([np.zeros((1, 2)), 0.2 * actions.cumsum(0)]))[::2]
        seen = np.concatenate([places, np.sin(places)], 1).astype(np.float32)
        drives = np.zeros((BLOCKS + 1, 0), np.float32)
        episodes.append(Episode({"proprioception": seen}, actions.reshape(BLOCKS, -1), {}, drives, seed))
    writer.append(episodes)
    return writer.finalise()


@contextmanager
def quiet() -> Iterator[None]:
    """The tiny training's progress is of no interest."""
    logger = logging.getLogger("forethought")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _fail(kind: Kind, name: str, what: str, fix: str) -> None:
    raise ConformanceError(f"check_part: the {KINDS[kind].words} '{name}' {what}; {fix}.")
