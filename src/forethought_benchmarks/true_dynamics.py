"""True dynamics: level 1 plays its plans in the world itself and looks at what comes of them, to see what imagining costs.

Perception, costs, planner and the levels above stay the agent's own. For Rooms where actions do nothing but move: without keys,
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
    """Level 1 whose rollouts are true. `stand` comes before them."""

    def __init__(self, agent: Agent) -> None:
        """Sees as the agent does."""
        settings = agent.configuration
        super().__init__(settings.data, settings.model)
        self.load_state_dict(agent.modules.world_model.state_dict())
        self.agent, self.body = agent, agent.body

    def stand(self, world: RoomsWorld, present: Tensor) -> None:
        """Begin at the world as it is now, which looks like `present` [N, D]."""
        self.world, self.present = world, present

    def rollout(self, context: Context, actions: Tensor, chance: Tensor | None = None, trust: float = 1.0) -> Tensor:
        """See `Level.rollout`; the rooms leave nothing to `chance`.

        A context of more than the present has been imagined, and is played, too.
        """
        rows = torch.cdist(context.states[:, 0], self.present).argmin(1).cpu().numpy()
        count = actions.shape[1]
        blocks = torch.cat([context.actions[:, None].expand(-1, count, -1, -1), actions], 2)
        steps = self.body.to_world(blocks).cpu().numpy().astype(np.float64) * self.world.plan.speed
        places = np.repeat(self.world.position[rows, None], count, axis=1)
        seen = []
        for step in steps.transpose(2, 3, 0, 1, 4).reshape(-1, self.body.settings.block, *places.shape):
            for by in step:
                places = self.world.moved(rows, places, by)
            seen.append(places)
        looks = [self._look(rows, places) for places in seen[-actions.shape[2] :]]
        return torch.stack(looks, 2)

    def _look(self, rows: NDArray[np.int64], places: NDArray[np.float64]) -> Tensor:
        """States [M, K, D] of what the agent would see at places [M, K, 2] of the copies `rows` [M]."""
        everywhere, looks = self.world.position.copy(), []
        for candidate in places.transpose(1, 0, 2):
            everywhere[rows] = candidate
            seen = {name: pixels[rows] for name, pixels in self.world.seen_from(everywhere).items()}
            looks.append(encode_observations(self.agent, seen))
        return torch.stack(looks, 1)


class TrueDynamicsController(AgentController):
    """The agent with a `PlayedLevel` in place of its level 1; always in Mode-2."""

    def __init__(self, agent: Agent) -> None:
        """`agent` itself is left as it is."""
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
