"""The landscape of one moment: every outcome priced as the agent prices it, the true one marked, walls left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from forethought.evaluation.arena import make_arena
from forethought.evaluation.energy_landscape import landscape
from forethought.evaluation.position_grid import GRID
from forethought.worlds import registry


@pytest.mark.parametrize("latent", ["certain", "codes"])
def test_each_outcome_has_the_energy_that_the_agent_gives_it(latent: str) -> None:
    agent = tiny.rooms_agent() if latent == "certain" else tiny.uncertain_agent()
    arena = make_arena(tiny.ROOMS, tiny.OPTIONS, 2)
    found, task, block = landscape(agent, arena, 1), arena.tasks.tasks[1], agent.configuration.data.block
    world = registry.make(tiny.ROOMS, 1, **tiny.OPTIONS)
    walker, frame = registry.policy(tiny.ROOMS, "hasty"), world.begin([task])
    walker.reset(world, [task.seed])
    # The same walk again, up to the moment that was chosen.
    while not np.allclose(frame.truth["position"][0], found.start):
        for _ in range(block):
            frame = world.step(walker.act(world, frame))
    seen, taken = {name: values.copy() for name, values in frame.observation.items()}, []
    for _ in range(block):
        taken.append(walker.act(world, frame)[0])
        frame = world.step(taken[-1][None])
    np.testing.assert_array_equal(found.seen, seen["pixels"][0])
    np.testing.assert_allclose(frame.truth["position"][0], found.outcome)
    walls = np.isnan(found.grid)
    assert found.grid.shape == (GRID, GRID)
    assert 0.02 < walls.mean() < 0.4
    row, column = (int(place) for place in np.argwhere(~walls)[17])
    left, right, top, bottom = found.extent
    place = np.array([[left + (column + 0.5) * (right - left) / GRID, top + (row + 0.5) * (bottom - top) / GRID]])
    after = {name: values[:, None] for name, values in world.seen_from(place).items()}
    world.close()
    with torch.no_grad():
        expected = agent.energy(seen, np.stack(taken)[None, None], after).item()
    assert found.grid[row, column] == pytest.approx(expected, rel=1e-3)
