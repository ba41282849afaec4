"""The latest episode of a life beside what the agent's model predicts of it, open loop, from several moments.

Axes: T blocks of the episode, D numbers in a state, V numbers of an observation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.cost.reward import BlockCost
from forethought.data.growing import GrowingStore
from forethought.perception import to_tensors
from forethought.readout.probes import fit_linear_probe
from forethought.report.report_data import FuturePictures, RealArray
from forethought.types import Observation
from forethought.world_model.level import Context

MOST_NUMBERS = 8
STARTS = 5
SHORTEST, LONGEST = 5, 15
"""Blocks of a prediction, from the shortest to the longest."""
REFERENCE_ROWS, REFERENCE_PICTURES = 4096, 512
"""Rows to which a readout is fitted; pictures among which a predicted state finds its nearest."""
CELLS, STRIPS = 8, 2
CHUNK = 256


@dataclass(frozen=True)
class Trace:
    """One number along the episode, and its predictions. Fields: name. happened: [T] or [T + 1]. predicted: from each start."""

    name: str
    happened: RealArray
    predicted: tuple[RealArray, ...]


@dataclass(frozen=True)
class LatestEpisode:
    """An episode beside its predictions.

    Fields:
        number: of the episode. blocks, total: its length and return. terminated: whether it ended by itself.
        horizon: blocks of a prediction. starts: first block of each.
        numbers, r2: observed numbers, and how well the readout reads each from encoded states.
        outcomes: reward, drives, and probability to go on. future_cost: the critic's read, and what came.
        strips: pictures from some of the starts, `every` blocks apart.
    """

    number: int
    blocks: int
    total: float
    terminated: bool
    horizon: int
    starts: tuple[int, ...]
    numbers: tuple[Trace, ...]
    r2: Mapping[str, float]
    outcomes: tuple[Trace, ...]
    future_cost: Trace
    strips: tuple[FuturePictures, ...] = ()
    every: int = 1


@torch.no_grad()
def latest_episode(agent: Agent, store: GrowingStore, episode: int = -1) -> LatestEpisode:
    """Predict an episode of the dataset from several of its moments with the actions that were taken."""
    streams = agent.configuration.data.streams
    observation = {stream.name: store.rows(stream.name, episode) for stream in streams}
    actions = _actions(agent, store, episode)
    felt = {name: store.rows(name, episode)[1:] for name in ("rewards", "drives")}
    rewards, over = felt["rewards"], bool(store.rows("terminated", episode)[-1])
    states, blocks = _encoded(agent, store, episode), len(actions)
    horizon = min(blocks, max(SHORTEST, min(LONGEST, blocks // (STARTS + 1))))
    starts = tuple(np.unique(np.linspace(0, blocks - horizon, STARTS).round().astype(int)).tolist())
    imagined = [_rolled_out(agent, states[start], actions[start : start + horizon]) for start in starts]
    numbers, r2 = _numbers(agent, store, episode, observation, states, imagined)
    strips, every = _strips(agent, store, episode, observation, imagined, starts)
    return LatestEpisode(
        number=len(store.lengths) + episode if episode < 0 else episode,
        blocks=blocks,
        total=float(rewards.sum(dtype=np.float64)),
        terminated=over,
        horizon=horizon,
        starts=starts,
        numbers=numbers,
        r2=r2,
        outcomes=_outcomes(agent, felt, over, imagined, starts, actions),
        future_cost=_future_cost(agent, states, actions, felt, over),
        strips=strips,
        every=every,
    )


def _actions(agent: Agent, store: GrowingStore, episode: int) -> Tensor:
    """The blocks [T, A] of an episode, in model units."""
    return agent.body.to_model(torch.from_numpy(store.rows("actions", episode)[:-1]).to(agent.device))


def _encoded(agent: Agent, store: GrowingStore, episode: int) -> Tensor:
    """States [T + 1, D] of an episode's rows, as the agent would have perceived and remembered them."""
    streams = agent.configuration.data.streams
    tensors = to_tensors({stream.name: store.rows(stream.name, episode) for stream in streams}, streams, agent.device)
    rows = len(next(iter(tensors.values())))
    percepts = torch.cat(
        [
            agent.modules.world_model.encode({name: values[at : at + CHUNK] for name, values in tensors.items()})
            for at in range(0, rows, CHUNK)
        ]
    )
    belief = agent.modules.belief
    return percepts if belief is None else belief.along(percepts[None], _actions(agent, store, episode)[None])[0]


def _rolled_out(agent: Agent, state: Tensor, actions: Tensor) -> Tensor:
    """States [H + 1, D] from one state [D] under actions [H, A]; the first is the given one."""
    context = Context(state[None, None], actions[None, :0])
    return torch.cat([state[None], agent.modules.world_model.rollout(context, actions[None, None])[0, 0]])


def _numbers(
    agent: Agent, store: GrowingStore, episode: int, observation: Observation, states: Tensor, imagined: list[Tensor]
) -> tuple[tuple[Trace, ...], dict[str, float]]:
    """The observed numbers, read from predicted states by a small readout that is fitted to the episodes before."""
    vectors = [stream.name for stream in agent.configuration.data.streams if stream.kind == "vector"]
    if not vectors:
        return (), {}
    number = len(store.lengths) + episode if episode < 0 else episode
    others = [each for each in store.recent(REFERENCE_ROWS) if each != number] or [number]
    reference = {
        stream.name: np.concatenate([store.rows(stream.name, each) for each in others])[-REFERENCE_ROWS:]
        for stream in agent.configuration.data.streams
    }
    truth, happened = _flat(reference, vectors), _flat(observation, vectors)
    known = torch.cat([_encoded(agent, store, each) for each in others])[-REFERENCE_ROWS:]
    probe = fit_linear_probe(_with_squares(known), truth)
    read = [probe.predict(_with_squares(path)) for path in imagined]
    names = [f"{name} {at}" for name in vectors for at in range(int(np.prod(observation[name].shape[1:])))]
    spread = happened.std(0) / np.maximum(truth.std(0), 1e-9)
    chosen = np.sort(np.argsort(-spread, kind="stable")[:MOST_NUMBERS]).tolist()
    r2 = probe.r2(_with_squares(states), happened)
    traces = tuple(Trace(names[at], happened[:, at], tuple(path[:, at] for path in read)) for at in chosen)
    return traces, {names[at]: float(r2[at]) for at in chosen}


def _with_squares(states: Tensor) -> NDArray[np.float64]:
    """States beside their squares, [T, 2 D]: encoders bend, and a plain linear map reads too little from them."""
    values = states.cpu().numpy().astype(np.float64)
    return np.concatenate([values, values**2], 1)


def _flat(observation: Observation, names: list[str]) -> NDArray[np.float64]:
    """Vector streams side by side, [T, V]."""
    return np.concatenate([observation[name].reshape(len(observation[name]), -1) for name in names], 1).astype(np.float64)


def _outcomes(
    agent: Agent,
    felt: Mapping[str, NDArray[Any]],
    over: bool,
    imagined: list[Tensor],
    starts: tuple[int, ...],
    actions: Tensor,
) -> tuple[Trace, ...]:
    """Reward and drives of each block, and probability that the episode goes on after it, beside what happened."""
    heads, rewards = agent.modules.outcomes, felt["rewards"]
    assert heads is not None
    going = np.ones(len(rewards))
    going[-1] = 0.0 if over else 1.0
    paths = [(path, actions[start : start + len(path) - 1]) for path, start in zip(imagined, starts, strict=True)]
    felt_drives = [heads.drives(path[:-1], blocks).cpu().numpy() for path, blocks in paths]
    return (
        Trace("reward", rewards, tuple(heads.rewards(path[:-1], blocks).cpu().numpy() for path, blocks in paths)),
        *(
            Trace(name, felt["drives"][:, at], tuple(drives[:, at] for drives in felt_drives))
            for at, name in enumerate(agent.configuration.data.drives)
        ),
        Trace("probability to go on", going, tuple(heads.continues(path[1:]).cpu().numpy() for path, _ in paths)),
    )


def _future_cost(agent: Agent, states: Tensor, actions: Tensor, felt: Mapping[str, NDArray[Any]], over: bool) -> Trace:
    """The critic's read at each block, and the discounted cost that came; beyond a cut the critic's last read continues it."""
    critic, settings = agent.modules.future_cost, agent.configuration
    assert critic is not None
    rewards, drives = (torch.from_numpy(felt[name]).to(agent.device) for name in ("rewards", "drives"))
    costs = BlockCost.of(settings.planner.cost, settings.data.drives)(rewards, drives, actions).cpu().numpy()
    read = critic.costs(states[:-1], actions).mean(0).cpu().numpy()
    came, after = np.zeros(len(costs)), 0.0 if over else float(read[-1])
    for block in range(len(costs) - 1, -1, -1):
        after = came[block] = float(costs[block]) + settings.model.discount * after
    return Trace("future cost", came, (read,))


def _strips(
    agent: Agent, store: GrowingStore, episode: int, observation: Observation, imagined: list[Tensor], starts: tuple[int, ...]
) -> tuple[tuple[FuturePictures, ...], int]:
    """Recorded pictures above those whose states are nearest to the predicted ones; with the blocks between two of them."""
    images = [stream.name for stream in agent.configuration.data.streams if stream.kind == "image"]
    if not images:
        return (), 1
    recent = store.recent(REFERENCE_PICTURES)
    reference = np.concatenate([store.rows(images[0], each) for each in recent])[-REFERENCE_PICTURES:]
    known = torch.cat([_encoded(agent, store, each) for each in recent])[-REFERENCE_PICTURES:]
    every = max(1, (len(imagined[0]) - 1) // (CELLS - 1))
    strips = []
    for path, start in list(zip(imagined, starts, strict=True))[:: max(1, len(starts) // STRIPS)][:STRIPS]:
        shown = np.arange(0, len(path), every)[:CELLS]
        nearest = torch.cdist(path[shown], known).argmin(1).cpu().numpy()
        real, found = observation[images[0]][start + shown], reference[nearest]
        strips.append(FuturePictures(_rgb(real), _rgb(found), note=f"from block {start}"))
    return tuple(strips), every


def _rgb(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures of any number of channels as RGB."""
    return pictures.repeat(3, -1) if pictures.shape[-1] < 3 else pictures[..., :3]
