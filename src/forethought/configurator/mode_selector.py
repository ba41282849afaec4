"""The configurator at run time: for each decision it weighs the costs and says whether to react or to plan (pp. 13, 38-39)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from forethought.config import Configuration

Mode = Literal["react", "plan", "auto"]


@dataclass(frozen=True)
class ControlSignal:
    """What holds for one decision.

    Fields:
        task: weights v by cost. extra: of costs of one's own, which judge by the task's goal whatever leads to it.
        intrinsic: weights u by drive.
        plan: bool [B], plan (True) or react.
        heeds_refusals: bool [B], whether plans that the world refused cost. Near the goal there is nothing to get round, and
            such a cost would keep the agent from settling.
    """

    task: dict[str, float]
    intrinsic: dict[str, float]
    plan: Tensor
    penalize_failed_plans: Tensor
    extra: dict[str, float] = field(default_factory=dict)


@runtime_checkable
class ModeChooser(Protocol):
    """What chooses between Mode-1 and Mode-2 and weighs the costs, decision by decision; `ModeSelector` is the agent's own."""

    def direct(self, mode: Mode, distance: Tensor, promised: Tensor, horizon: int, left: Tensor) -> ControlSignal:
        """See `ModeSelector.direct`."""


class ModeSelector:
    """Sets weights and mode from how far the goal is and how well Mode-1 promises to do."""

    def __init__(self, configuration: Configuration) -> None:
        """Takes the planner's settings."""
        self.planner, self.cost = configuration.planner, configuration.planner.cost
        self.near = configuration.model.latent_distance_radius

    def direct(self, mode: Mode, distance: Tensor, promised: Tensor, horizon: int, left: Tensor) -> ControlSignal:
        """One decision's direction.

        Args:
            mode: what the user asked for; `auto` reacts wherever Mode-1's imagined outcome is good enough.
            distance: [B], the critic's blocks to where level 1 heads now, the goal or a subgoal.
            promised: [B], the same after Mode-1's imagined `horizon` blocks.
            horizon: blocks that Mode-1 was imagined for.
            left: [B], the critic's blocks to the goal now.
        """
        if mode == "auto":
            # Good enough: Mode-1 gets nearer by at least a share of the time it takes, or arrives.
            gained = distance - promised
            wanted = self.planner.mode1_accept_gain * torch.clamp(distance, max=float(horizon))
            plan = gained < wanted
        else:
            plan = torch.full_like(distance, mode == "plan", dtype=torch.bool)
        penalize = left >= self.near
        return ControlSignal(self.cost.task, dict(self.cost.drive_weights), plan, penalize, dict(self.cost.extra))
