"""True dynamics: what level 1 would imagine is what then really happens."""

from __future__ import annotations

import numpy as np
import torch

import tiny
from forethought.evaluation.arena import make_arena
from forethought.evaluation.states import encode_observations
from forethought.world_model.level import Context
from forethought.worlds.rooms import RoomsWorld
from forethought.worlds.tasks import make_tasks
from forethought_benchmarks.true_dynamics import PlayedLevel, TrueDynamicsController

TASKS = make_tasks(tiny.ROOMS, tiny.OPTIONS, 3, 6)


def test_a_played_plan_comes_true() -> None:
    agent, world = tiny.three_level_agent(), RoomsWorld(3, **tiny.OPTIONS)
    level = PlayedLevel(agent)
    present = encode_observations(agent, world.begin(TASKS.tasks).observation)
    level.stand(world, present)
    plans = torch.rand(3, 2, 2, agent.configuration.data.block_size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        states = level.rollout(Context(present[:, None], plans[:, 0, :0]), plans)
        some = level.rollout(Context(present[[2, 0], None], plans[[2, 0], 0, :0]), plans[[2, 0]])
        later = level.rollout(Context(torch.stack([present, states[:, 1, 0]], 1), plans[:, 1, :1]), plans[:, 1:, 1:])
    assert torch.allclose(some, states[[2, 0]], atol=1e-5)
    assert torch.allclose(later[:, 0, 0], states[:, 1, 1], atol=1e-5)
    for block in range(2):
        for step in agent.body.to_world(plans[:, 1, block]).numpy().transpose(1, 0, 2):
            frame = world.step(step)
        assert torch.allclose(encode_observations(agent, frame.observation), states[:, 1, block], atol=1e-4)


def test_it_is_an_agent_that_does_tasks_and_leaves_the_first_alone() -> None:
    agent = tiny.three_level_agent()
    imagined = agent.modules.world_model
    controller = TrueDynamicsController(agent)
    outcomes = make_arena(tiny.ROOMS, tiny.OPTIONS, TASKS).run(controller)
    assert agent.modules.world_model is imagined
    assert controller.agent.modules.world_model is controller.level
    assert outcomes.calls[0] > 0
    assert np.isfinite(outcomes.seconds)
