"""The energy over a room: every free place priced, walls left out, the figures those of the costs themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import tiny
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.configurator import configure
from forethought.data.collection import collect
from forethought.evaluation.arena import make_arena
from forethought.evaluation.cost_map import energy_map
from forethought.evaluation.energy_landscape import landscape
from forethought.evaluation.position_grid import GRID
from forethought.evaluation.statistics import rank_correlation
from forethought.worlds import registry
from forethought.worlds.tasks import make_tasks


def test_free_places_are_priced_by_the_costs_and_walls_are_not() -> None:
    agent, arena = tiny.rooms_agent(), make_arena(tiny.ROOMS, tiny.OPTIONS, 2)
    found = energy_map(agent, arena, 1)
    assert set(found.grids) == {"latent distance", "critic"}
    walls = np.isnan(found.grids["critic"])
    np.testing.assert_array_equal(walls, np.isnan(found.grids["latent distance"]))
    assert found.grids["critic"].shape == (GRID, GRID)
    assert 0.02 < walls.mean() < 0.4
    task = arena.tasks.tasks[1]
    assert found.goal == tuple(task.goal[:2])
    assert found.background.shape == (64, 64, 3)
    left, right, top, bottom = found.extent
    step = (right - left) / GRID
    column, row = 5, 8
    x, y = left + (column + 0.5) * step, top + (row + 0.5) * (bottom - top) / GRID
    world = registry.make(tiny.ROOMS, 1, **tiny.OPTIONS)
    frame = world.begin([type(task)(task.seed, (x, y), task.goal, None, task.budget)])
    goal = world.goal_observation()
    np.testing.assert_array_equal(goal["pixels"][0], found.background)
    state, wanted = (
        agent.modules.world_model.encode({"pixels": torch.from_numpy(np.ascontiguousarray(each["pixels"]))})
        for each in (frame.observation, goal)
    )
    world.close()
    assert not walls[row, column]
    assert set(found.guidance) == set(found.grids)
    assert all(-1 <= value <= 1 for value in found.guidance.values())
    assert np.isclose(found.grids["critic"][row, column], agent.modules.critic.distance(state, wanted).item(), atol=1e-3)
    assert np.isclose(found.grids["latent distance"][row, column], (state - wanted).square().mean().item(), atol=1e-4)


def test_where_a_goal_shows_a_place_alone_there_is_a_map_and_a_landscape_all_the_same(tmp_path: Path) -> None:
    options = {"layout": "corridor", "max_steps": 40}
    store = collect(tiny.ROOMS, out=tmp_path / "store", episodes=8, options=options, workers=0, progress=False)
    config = configure(store.spec, store.block, store.statistics(), overrides=tiny.SMALL | tiny.CODES)
    agent = Agent(config, AgentNetworks(config))
    arena = make_arena(tiny.ROOMS, store.spec.options, make_tasks(tiny.ROOMS, options, 2, 0))
    found = energy_map(agent, arena, 0)
    assert set(found.grids) == {"critic"}
    assert found.background.shape == (64, 64, 3)
    assert np.isfinite(found.grids["critic"]).mean() > 0.6
    assert np.array_equal(np.isnan(found.grids["critic"]), np.isnan(landscape(agent, arena, 0).grid))


def test_the_true_path_is_its_own_perfect_guide_and_its_opposite_the_worst() -> None:
    path = np.random.default_rng(0).uniform(size=50)
    assert rank_correlation(np.exp(5 * path), path) == 1
    assert rank_correlation(-path, path) == -1
    assert abs(rank_correlation(np.random.default_rng(1).uniform(size=50), path)) < 0.5


def test_the_level_above_is_priced_as_it_finds_its_way() -> None:
    agent, arena = tiny.two_level_agent(), make_arena(tiny.ROOMS, tiny.OPTIONS, 2)
    found = energy_map(agent, arena, 1)
    way, critic = found.grids["path over landmarks"], found.grids["critic"]
    assert set(found.guidance) == {"latent distance", "critic", "path over landmarks"}
    free = ~np.isnan(way)
    near = critic[free] <= agent.configuration.planner.upper.critic_radius
    assert (way[free][near] <= critic[free][near] + 1e-4).all(), "no way is longer than a trusted straight one"
