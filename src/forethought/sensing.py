"""What an agent makes of what its body senses: states of observations, and the drives that it felt."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent_networks import AgentNetworks
from forethought.config import DataSpec, StreamSettings
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.goals import EncodedGoal, StateGoal, several
from forethought.perception import to_tensors
from forethought.types import Goal, Observation, ObservationGoal, WeightedGoals


class Senses:
    """Encodes observations and goals, and refuses what does not fit the body."""

    def __init__(self, networks: AgentNetworks, body: DataSpec, device: torch.device) -> None:
        """`networks` encode what `body` senses."""
        self.networks, self.body, self.device = networks, body, device

    def state(self, observation: Observation, what: str = "observation") -> Tensor:
        """States [B, D] of streams, one item (B = 1) or [B, ...]; `what`: its name in an error.

        Raises:
            ForethoughtError: a stream is missing or has another shape.
            NonFiniteError: NaN or infinity, in the streams or in the state.
        """
        return self._encoded(observation, what, self.body.streams)

    def goal(self, goal: Goal) -> EncodedGoal:
        """A goal as the agent's parts read it; an observation may show some of the streams only, where goals do so.

        Raises:
            ForethoughtError: an observation does not fit the body, or nothing here encodes a goal of this kind.
            NonFiniteError: as `state`.
        """
        if isinstance(goal, ObservationGoal):
            return StateGoal(self._encoded(goal.observation, "goal", self.body.goal_streams))
        if isinstance(goal, WeightedGoals):
            return several([self.goal(part) for part in goal.goals], goal.weights)
        raise ForethoughtError(
            f"A {type(goal).__name__} can't be encoded: give an ObservationGoal, or WeightedGoals of several."
        )

    def is_single(self, goal: Goal) -> bool:
        """Whether an encoded goal was one item, without an axis of episodes."""
        first, shown = goal.parts[0], self.body.goal_streams[0]
        assert isinstance(first, ObservationGoal), "no other kind is encoded"
        return np.ndim(first.observation[shown.name]) == len(shown.shape)

    @torch.no_grad()
    def _encoded(self, observation: Observation, what: str, shown: tuple[StreamSettings, ...]) -> Tensor:
        state = self.networks.world_model.encode(to_tensors(observation, shown, self.device))
        if state.ndim > 2:
            raise ForethoughtError(f"The {what} has {state.ndim - 1} leading axes: give one item or [B, ...].")
        state = state if state.ndim == 2 else state[None]
        if not torch.isfinite(state).all():
            raise NonFiniteError(f"The state of the {what} is NaN or infinite; the weights may be damaged.")
        return state

    def drives(self, given: NDArray[np.float32] | None, batch: int) -> Tensor:
        """What the body felt, [B, drives] or [drives] to [B, drives]; None for nothing.

        Raises:
            ForethoughtError: another number of values, or NaN or infinity among them.
        """
        names = self.body.drives
        felt = torch.zeros(batch, len(names), device=self.device)
        if given is None:
            return felt
        values = torch.as_tensor(given, device=self.device).float()
        if values.numel() != felt.numel() or not torch.isfinite(values).all():
            raise ForethoughtError(
                f"drives of shape {tuple(values.shape)} don't fit: give {len(names)} finite numbers "
                f"({', '.join(names) or 'this body feels nothing'}) for each of {batch} episodes."
            )
        return values.reshape(felt.shape)
