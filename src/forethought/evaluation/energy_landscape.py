"""The energy landscape F(x, y) of one moment and action: how well each place where the agent might be next goes with them.

x is what is seen and the block that is then taken; y is the world as it stands after the block, with the agent at each place
of a grid. Low is what may well happen (the paper, section 4.1); with a latent variable there is a valley for each way that the
rest of y leaves open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.evaluation.evaluate import Arena
from forethought.evaluation.position_grid import Places
from forethought.evaluation.states import encode_observations, sample_states
from forethought.types import PIXELS, Observation, WorldTask
from forethought.world_model.energy import energy
from forethought.world_model.level import Context
from forethought.worlds import registry
from forethought.worlds.rooms.world import RoomsWorld

WALKER, MOMENTS, DRAWS = "hasty", 12, 16
"""The policy whose moments are looked at, how many, and the draws that tell how far the ways of each part."""


@dataclass(frozen=True)
class EnergyLandscape:
    """F(x, y) of one block, by where y has the agent.

    Fields:
        grid: [G, G] energies, rows are y and columns x; NaN inside walls. extent: (left, right, top, bottom), pixels.
        seen: uint8 [h, w, 3], what was seen before the block. start, outcome: (x, y), where it began and where it really led.
    """

    grid: NDArray[np.float64]
    extent: tuple[float, float, float, float]
    seen: NDArray[np.uint8]
    start: tuple[float, float]
    outcome: tuple[float, float]


@dataclass(frozen=True)
class _Walk:
    """What a policy did from a task's start.

    Fields:
        taken: [M, block, size], environment units. seen: M + 1 rows, streams [1, ...]. places: [M + 1, 2], the true ones.
    """

    taken: NDArray[np.float32]
    seen: list[Observation]
    places: NDArray[np.float64]


@torch.no_grad()
def landscape(agent: Agent, arena: Arena, number: int) -> EnergyLandscape:
    """The landscape at that moment of task `number` at which the agent knows least how its next block will end.

    A deterministic agent's first moment. Needs a world that can say what it looks like from elsewhere (Rooms).
    """
    task, level, places = arena.tasks.tasks[number], agent.modules.world_model, Places.over(agent)
    walk = _walk(agent, arena, task)
    states = torch.cat([encode_observations(agent, row) for row in walk.seen])
    blocks = agent.body.to_model(torch.from_numpy(walk.taken).to(agent.device).flatten(-2))[:, None]
    moment = int(sample_states(level, states[:-1], blocks, DRAWS)[:, :, 0].var(1, correction=0).mean(-1).argmax())
    outside, following = _everywhere(agent, arena, task, walk.taken[: moment + 1], places)
    every = len(following)
    past = Context(states[moment].expand(every, 1, -1), blocks[moment, :0].expand(every, 0, -1))
    found = energy(level, past, blocks[moment].expand(every, 1, -1), following[:, None]).cpu().numpy().astype(np.float64)
    seen = np.asarray(walk.seen[moment][PIXELS][0], np.uint8)
    start, outcome = ((float(x), float(y)) for x, y in walk.places[moment : moment + 2])
    return EnergyLandscape(places.picture(found, outside), places.extent, seen, start, outcome)


def _walk(agent: Agent, arena: Arena, task: WorldTask) -> _Walk:
    """The walker's first `MOMENTS` blocks, at the agent's pace."""
    block, world = agent.configuration.data.block, registry.make(arena.world, 1, **arena.options)
    walker, frame = registry.policy(arena.world, WALKER), world.begin([task])
    walker.reset(world, [task.seed])
    taken, rows, places = [], [frame.observation], [frame.truth["position"][0]]
    try:
        for _ in range(MOMENTS):
            for _ in range(block):
                taken.append(walker.act(world, frame)[0])
                frame = world.step(taken[-1][None])
            rows.append(frame.observation)
            places.append(frame.truth["position"][0])
    finally:
        world.close()
    return _Walk(np.stack(taken).reshape(MOMENTS, block, -1).astype(np.float32), rows, np.stack(places).astype(np.float64))


def _everywhere(
    agent: Agent, arena: Arena, task: WorldTask, taken: NDArray[np.float32], places: Places
) -> tuple[NDArray[np.bool_], Tensor]:
    """Places in walls, bool [G * G], and the states [G * G, D] of the world after these blocks with the agent at each place."""
    world = registry.make(arena.world, len(places.points), **arena.options)
    assert isinstance(world, RoomsWorld)
    try:
        _, outside = places.stand(world, task)
        world.begin([task] * world.num)
        for step in taken.reshape(-1, taken.shape[-1]):
            world.step(np.repeat(step[None], world.num, axis=0))
        return outside, encode_observations(agent, world.seen_from(places.points))
    finally:
        world.close()
