"""The energy landscape F(x, y) of one transition, by the position of the agent in the outcome y (the paper, section 4.1).

x is an observation and the block (action chunk) that follows; y is the observation after the block, with the agent moved to
each position of a grid. A low energy means that y is compatible with x. With a latent variable, each outcome that the model
can predict makes a minimum, unless the rest of y excludes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.evaluation.arena import Arena
from forethought.evaluation.position_grid import Places
from forethought.evaluation.states import encode_observations, sample_states
from forethought.types import PIXELS, Observation, WorldTask
from forethought.world_model.energy import energy
from forethought.world_model.level import Context
from forethought.worlds import registry
from forethought.worlds.rooms.world import RoomsWorld

WALKER, MOMENTS, DRAWS = "hasty", 12, 16
"""Name of the recording policy, number of its blocks, and samples for the variance of each block's predictions."""


@dataclass(frozen=True)
class EnergyLandscape:
    """F(x, y) of one block by the position of the agent in y.

    Fields:
        grid: [G, G] energies, rows are y and columns x; NaN inside walls. extent: (left, right, top, bottom), pixels.
        seen: uint8 [h, w, 3], the observation before the block. start, outcome: (x, y), true position before and after it.
    """

    grid: NDArray[np.float64]
    extent: tuple[float, float, float, float]
    seen: NDArray[np.uint8]
    start: tuple[float, float]
    outcome: tuple[float, float]


@dataclass(frozen=True)
class _Trajectory:
    """Trajectory of a policy from the start of a task.

    Fields:
        actions: [M, block, size], environment units. observations: M + 1 rows, streams [1, ...].
        positions: [M + 1, 2], true positions, pixels.
    """

    actions: NDArray[np.float32]
    observations: list[Observation]
    positions: NDArray[np.float64]


@torch.no_grad()
def landscape(agent: Agent, arena: Arena, number: int) -> EnergyLandscape:
    """Energy landscape of task `number` at the block whose sampled predictions have the largest variance.

    For a deterministic model this is the first block. Needs an environment that renders any position of the agent (Rooms).
    """
    task, level, places = arena.tasks.tasks[number], agent.modules.world_model, Places.over(agent)
    trajectory = _record(agent, arena, task)
    states = torch.cat([encode_observations(agent, row) for row in trajectory.observations])
    blocks = agent.body.to_model(torch.from_numpy(trajectory.actions).to(agent.device).flatten(-2))[:, None]
    moment = int(sample_states(level, states[:-1], blocks, DRAWS)[:, :, 0].var(1, correction=0).mean(-1).argmax())
    outside, outcomes = _outcome_states(agent, arena, task, trajectory.actions[: moment + 1], places)
    count = len(outcomes)
    past = Context(states[moment].expand(count, 1, -1), blocks[moment, :0].expand(count, 0, -1))
    energies = energy(level, past, blocks[moment].expand(count, 1, -1), outcomes[:, None]).cpu().numpy().astype(np.float64)
    picture = np.asarray(trajectory.observations[moment][PIXELS][0], np.uint8)
    start, outcome = ((float(x), float(y)) for x, y in trajectory.positions[moment : moment + 2])
    return EnergyLandscape(places.picture(energies, outside), places.extent, picture, start, outcome)


def _record(agent: Agent, arena: Arena, task: WorldTask) -> _Trajectory:
    """The first `MOMENTS` blocks of the recording policy, one row per block."""
    block, world = agent.configuration.data.block, registry.make(arena.world, 1, **arena.options)
    policy, frame = registry.policy(arena.world, WALKER), world.begin([task])
    policy.reset(world, [task.seed])
    actions, rows, positions = [], [frame.observation], [frame.truth["position"][0]]
    try:
        for _ in range(MOMENTS):
            for _ in range(block):
                actions.append(policy.act(world, frame)[0])
                frame = world.step(actions[-1][None])
            rows.append(frame.observation)
            positions.append(frame.truth["position"][0])
    finally:
        world.close()
    return _Trajectory(
        np.stack(actions).reshape(MOMENTS, block, -1).astype(np.float32), rows, np.stack(positions).astype(np.float64)
    )


def _outcome_states(
    agent: Agent, arena: Arena, task: WorldTask, actions: NDArray[np.float32], places: Places
) -> tuple[NDArray[np.bool_], Tensor]:
    """Grid positions inside walls, bool [G * G], and states [G * G, D] after `actions` with the agent at each position."""
    world = registry.make(arena.world, len(places.points), **arena.options)
    assert isinstance(world, RoomsWorld)
    try:
        _, outside = places.stand(world, task)
        world.begin([task] * world.num)
        for action in actions.reshape(-1, actions.shape[-1]):
            world.step(np.repeat(action[None], world.num, axis=0))
        return outside, encode_observations(agent, world.seen_from(places.points))
    finally:
        world.close()
