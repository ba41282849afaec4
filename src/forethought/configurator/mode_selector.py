"""The configurator at run time: for each decision it sets the cost weights and chooses the mode (pp. 13, 38-39)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from forethought.config import Configuration

Mode = Literal["react", "plan", "auto"]


@dataclass(frozen=True)
class ControlSignal:
    """The configurator's output for one decision.

    Fields:
        task: weights v by cost. extra: of user-defined costs, which use the task's goal also while the agent follows a subgoal.
        intrinsic: weights u by drive.
        path, final, nearest: weights of a path's mean, last and least cost; see `Weights`.
        plan: bool [B], Mode-2 (True) or Mode-1.
        penalize_failed_plans: bool [B], whether failed plans get a penalty. It is False near the goal, where no detour is
            needed and the penalty would keep the agent from coming to rest.
    """

    task: dict[str, float]
    intrinsic: dict[str, float]
    plan: Tensor
    penalize_failed_plans: Tensor
    extra: dict[str, float] = field(default_factory=dict)
    path: float = 1.0
    final: float = 1.0
    nearest: float = 0.0


@runtime_checkable
class ModeChooser(Protocol):
    """Interface: chooses Mode-1 or Mode-2 and the cost weights of each decision; `ModeSelector` is the default."""

    def direct(self, mode: Mode, distance: Tensor, promised: Tensor, horizon: int, left: Tensor) -> ControlSignal:
        """See `ModeSelector.direct`."""


class ModeSelector:
    """Sets mode and weights by the distance to the goal and the predicted progress of Mode-1."""

    def __init__(self, configuration: Configuration) -> None:
        """`configuration`: planner settings, and the radius of the latent distance."""
        self.planner, self.cost = configuration.planner, configuration.planner.cost
        self.near = configuration.model.latent_distance_radius

    def direct(self, mode: Mode, distance: Tensor, promised: Tensor, horizon: int, left: Tensor) -> ControlSignal:
        """The control signal of one decision.

        Args:
            mode: the requested mode; `auto` uses Mode-1 where its predicted outcome is good enough.
            distance: [B], the critic's blocks from the present state to the target of level 1, the goal or a subgoal; the
                task's energy, where plans do not count the critic.
            promised: [B], the same at the end of Mode-1's rollout; of energies, the least on it.
            horizon: blocks of that rollout.
            left: [B], the critic's blocks from the present state to the goal.
        """
        if mode == "auto":
            # Good enough: Mode-1 reduces the distance by at least a share of the elapsed blocks, or reaches the target.
            gain = distance - promised
            required = self.planner.mode1_accept_gain * torch.clamp(distance, max=float(horizon))
            plan = gain < required
        else:
            plan = torch.full_like(distance, mode == "plan", dtype=torch.bool)
        penalize = left >= self.near
        cost, drives = self.cost, dict(self.cost.drive_weights)
        return ControlSignal(cost.task, drives, plan, penalize, dict(cost.extra), cost.path, cost.final, cost.nearest)
