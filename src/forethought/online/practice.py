"""Evaluation in passing: the return of Mode-1 in some episodes that the agent does not learn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.perception import to_tensors
from forethought.worlds import World, registry

FIRST_SEED = 1_000_003
"""Seeds of these episodes begin here; those of lived episodes are scattered hashes."""


class Practice:
    """Runs episodes in copies of the world of its own."""

    def __init__(self, networks: AgentNetworks, codec: ActionCodec, name: str, options: Mapping[str, Any]) -> None:
        """`codec`: of the agent's actions. `name`, `options`: of the world."""
        self._networks, self._codec, self._name, self._options = networks, codec, name, dict(options)
        self._world: World | None = None

    @torch.no_grad()
    def returns(self, episodes: int) -> NDArray[np.float64]:
        """The return of each of the same `episodes`, by the policy's likeliest actions."""
        if self._world is None or self._world.num != episodes:
            self.close()
            self._world = registry.make(self._name, episodes, **self._options)
        world, policy = self._world, self._networks.cost_policy
        assert policy is not None
        streams, device = self._networks.made_for.data.streams, self._codec.low.device
        frame = world.reset(range(FIRST_SEED, FIRST_SEED + episodes))
        total = np.zeros(episodes)
        for _ in range(-(-world.spec.max_steps // self._codec.settings.block)):
            if frame.ended.all():
                break
            state = self._networks.world_model.encode(to_tensors(frame.observation, streams, device))
            for actions in self._codec.to_world(policy(state)).cpu().numpy().swapaxes(0, 1):
                running = ~frame.ended
                frame = world.step(np.asarray(actions, np.float32))
                total += np.where(running, frame.rewards, 0.0)
        return total

    def close(self) -> None:
        """Release the world."""
        if self._world is not None:
            self._world.close()
        self._world = None
