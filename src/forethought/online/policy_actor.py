"""Mode-1 as it acts in a life: a sample of the policy for each block, with the belief of the episode in progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.memory import BeliefState
from forethought.perception import to_tensors


class PolicyActor(nn.Module):
    """Acts in one episode at a time; its weights are those of the agent that acting reads, and are shared with it."""

    def __init__(self, networks: AgentNetworks) -> None:
        """`networks`: with a policy for the world's own reward."""
        super().__init__()
        assert networks.cost_policy is not None
        self.world_model, self.belief, self.policy = networks.world_model, networks.belief, networks.cost_policy
        self.data = networks.made_for.data

    def begin(self, codec: ActionCodec) -> None:
        """An episode begins; `codec`: of the agent's actions, on the device of the weights."""
        self._codec, self._carried = codec, BeliefState(self.belief)
        self._carried.reset(1)
        self._action = torch.zeros(1, self.data.block_size, device=codec.low.device)

    @torch.no_grad()
    def decide(self, observation: Mapping[str, NDArray[Any]], generator: torch.Generator) -> NDArray[np.float32]:
        """The next action block [A], in environment units: a sample of the policy."""
        percept = self.world_model.encode(to_tensors(observation, self.data.streams, self._codec.low.device))
        state = self._carried.update(percept[None], self._action)
        block, _ = self.policy.sample(state, self.policy.draw((1,), generator).to(state.device))
        return np.asarray(self._codec.to_world(block)[0].flatten().cpu().numpy(), np.float32)

    def took(self, action: NDArray[np.float32]) -> None:
        """Note that block [A] was taken, in environment units."""
        self._action = self._codec.to_model(torch.tensor(action, device=self._action.device)[None])
