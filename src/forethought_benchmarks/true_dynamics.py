"""True dynamics: level 1 simulates its plans in the environment instead of the world model, to measure the model's error.

Perception, costs, planner and upper levels are the agent's own. For Rooms where actions only move the agent: without keys,
food or flickering doors.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.evaluation.episodes import AgentController
from forethought.evaluation.states import encode_observations
from forethought.types import Frame
from forethought.world_model import JEPALevel
from forethought.world_model.level import Context
from forethought.worlds.contract import World
from forethought.worlds.rooms.world import RoomsWorld


class PlayedLevel(JEPALevel):
    """Level 1 with rollouts in the true environment; call `stand` before a rollout."""

    def __init__(self, agent: Agent) -> None:
        """Copies the agent's encoder."""
        settings = agent.configuration
        super().__init__(settings.data, settings.model)
        self.load_state_dict(agent.modules.world_model.state_dict())
        self.agent, self.body = agent, agent.body

    def stand(self, world: RoomsWorld, present: Tensor) -> None:
        """Start from the current state of the environment, encoded as `present` [N, D]."""
        self.world, self.present = world, present

    def rollout(self, context: Context, actions: Tensor, chance: Tensor | None = None, prior_exponent: float = 1.0) -> Tensor:
        """See `Level.rollout`; these rooms are deterministic and ignore `chance`.

        A context with actions was predicted before; its actions are simulated, too.
        """
        rows = torch.cdist(context.states[:, 0], self.present).argmin(1).cpu().numpy()
        count = actions.shape[1]
        blocks = torch.cat([context.actions[:, None].expand(-1, count, -1, -1), actions], 2)
        steps = self.body.to_world(blocks).cpu().numpy().astype(np.float64) * self.world.plan.speed
        places = np.repeat(self.world.position[rows, None], count, axis=1)
        block_ends = []
        for step in steps.transpose(2, 3, 0, 1, 4).reshape(-1, self.body.settings.block, *places.shape):
            for by in step:
                places = self.world.moved(rows, places, by)
            block_ends.append(places)
        states = [self._encode_at(rows, places) for places in block_ends[-actions.shape[2] :]]
        return torch.stack(states, 2)

    def _encode_at(self, rows: NDArray[np.int64], places: NDArray[np.float64]) -> Tensor:
        """Encoded observations [M, K, D] with the agent at positions [M, K, 2] of the copies `rows` [M]."""
        positions, states = self.world.position.copy(), []
        for candidate in places.transpose(1, 0, 2):
            positions[rows] = candidate
            observation = {name: pixels[rows] for name, pixels in self.world.seen_from(positions).items()}
            states.append(encode_observations(self.agent, observation))
        return torch.stack(states, 1)


class TrueDynamicsController(AgentController):
    """The agent with a `PlayedLevel` in place of its level 1; always in Mode-2."""

    def __init__(self, agent: Agent) -> None:
        """`agent` itself does not change."""
        modules = AgentNetworks(agent.configuration)
        modules.load_state_dict(agent.modules.state_dict())
        self.level = PlayedLevel(agent)
        modules.world_model = self.level
        super().__init__(Agent(agent.configuration, modules, agent.device), "plan")

    def act(self, world: World, frame: Frame, step: int) -> NDArray[np.float32]:
        """See `Controller`."""
        assert isinstance(world, RoomsWorld)
        if step % self.block == 0:
            self.level.stand(world, encode_observations(self.level.agent, frame.observation))
        return super().act(world, frame, step)
