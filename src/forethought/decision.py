"""A decision of the agent with its plan of record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from forethought.actor.contract import Plan
from forethought.actor.landmark_graph import LandmarkRoute
from forethought.planning.decision_timer import DecisionTiming
from forethought.planning.subgoals import SubgoalCommand


@dataclass(frozen=True)
class Decision:
    """One decision of B episodes.

    Fields:
        actions: float32 [B, block, size], environment units, one per step of the block.
        plan: actions [B, H, A], predicted states [B, H, D], energy [B]; `calls` is per planned episode. In mode `react`
            there is no rollout: one block of actions, no states.
        planned: bool [B], Mode-2 (True) or Mode-1.
        distance: [B], the critic's blocks to the goal; None in mode `react`, which does not evaluate the critic.
        calls: [B], predictor calls.
        target: [B, D], the target of Mode-1 in states of level 1: the goal (of several the one with the largest weight), or a
            subgoal.
        route: the path over the landmark graph and the subgoal; None without a graph.
        timing: what became of the decision's deadline; None without one.
        above: plans of the learned levels and the subgoal; None without learned levels.
    """

    actions: NDArray[np.float32]
    plan: Plan
    planned: Tensor
    distance: Tensor | None
    calls: Tensor
    target: Tensor
    route: LandmarkRoute | None = None
    above: SubgoalCommand | None = None
    timing: DecisionTiming | None = None
