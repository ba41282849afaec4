"""Encodes observations and goals into states, and converts sensed drives to tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent_networks import AgentNetworks
from forethought.config import DataSpec, StreamSettings
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.goals import EncodedGoal, NoState, StateGoal, several
from forethought.perception import array_of, to_tensors
from forethought.types import Goal, Observation, ObservationGoal, RewardGoal, WeightedGoals


class Senses:
    """Encodes observations and goals, with checks against the `DataSpec`."""

    def __init__(self, networks: AgentNetworks, body: DataSpec, device: torch.device) -> None:
        """`networks`: of the agent. `body`: the streams, drives and goals. `device`: of the tensors."""
        self.networks, self.body, self.device = networks, body, device

    def state(self, observation: Observation, what: str = "observation") -> Tensor:
        """States [B, D] of streams, one item (B = 1) or [B, ...]; `what`: its name in errors.

        Raises:
            ForethoughtError: a stream is missing or has the wrong shape.
            NonFiniteError: NaN or infinity, in the streams or in the state.
        """
        return self._encoded(observation, what, self.body.streams)

    def goal(self, goal: Goal) -> EncodedGoal:
        """The encoded goal; an observation needs only the streams in `DataSpec.goals`.

        Raises:
            ForethoughtError: an observation does not match the `DataSpec`, or this kind of goal has no encoder.
            NonFiniteError: as `state`.
        """
        if isinstance(goal, ObservationGoal):
            return StateGoal(self._encoded(goal.observation, "goal", self.body.goal_streams))
        if isinstance(goal, RewardGoal):
            if self.networks.cost_policy is None:
                raise ForethoughtError(
                    "This agent has not learned its world's reward: let one learn it (`forethought live`), or give a goal "
                    "observation, Task.reach(goal)."
                )
            return NoState(torch.zeros(goal.episodes or 1, self.networks.world_model.state_dim, device=self.device))
        if isinstance(goal, WeightedGoals):
            return several([self.goal(part) for part in goal.goals], goal.weights)
        raise ForethoughtError(
            f"A {type(goal).__name__} can't be encoded: give an ObservationGoal, or WeightedGoals of several."
        )

    def is_single(self, goal: Goal) -> bool:
        """Whether a goal is one item, without an axis of episodes."""
        first, stream = goal.parts[0], self.body.goal_streams[0]
        if isinstance(first, RewardGoal):
            return first.episodes is None
        assert isinstance(first, ObservationGoal), "only observation goals have an encoder"
        return np.ndim(first.observation[stream.name]) == len(stream.shape)

    @torch.no_grad()
    def _encoded(self, observation: Observation, what: str, streams: tuple[StreamSettings, ...]) -> Tensor:
        state = self.networks.world_model.encode(to_tensors(observation, streams, self.device))
        if state.ndim > 2:
            raise ForethoughtError(f"The {what} has {state.ndim - 1} leading axes: give one item or [B, ...].")
        state = state if state.ndim == 2 else state[None]
        if not torch.isfinite(state).all():
            raise NonFiniteError(
                f"The state of the {what} is NaN or infinite: the weights may be damaged, so load or train them again."
            )
        return state

    def drives(self, given: NDArray[np.float32] | None, batch: int) -> Tensor:
        """Sensed drives [B, drives] or [drives] to a tensor [B, drives]; None for zeros.

        Raises:
            ForethoughtError: the wrong number of values, or NaN or infinity among them.
        """
        names = self.body.drives
        zeros = torch.zeros(batch, len(names), device=self.device)
        if given is None:
            return zeros
        values = torch.from_numpy(np.array(array_of(given, "drives"), np.float32)).to(self.device)
        if values.numel() != zeros.numel() or not torch.isfinite(values).all():
            raise ForethoughtError(
                f"drives of shape {tuple(values.shape)} don't fit: give {len(names)} finite numbers "
                f"({', '.join(names) or 'there are no drives'}) for each of {batch} episodes."
            )
        return values.reshape(zeros.shape)
