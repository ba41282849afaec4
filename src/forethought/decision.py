"""What an agent decided, and all that it had in mind: the plan of record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from forethought.actor.contract import Plan
from forethought.actor.landmark_graph import LandmarkRoute
from forethought.planning.subgoals import SubgoalCommand


@dataclass(frozen=True)
class Decision:
    """One decision of B episodes.

    Fields:
        actions: float32 [B, block, size], environment units, to be taken one step after the other.
        plan: what was imagined: actions [B, H, A], states [B, H, D], energy [B]; `calls` is per planned episode. In mode
            `react` nothing is imagined: one block of actions, no states.
        planned: bool [B], Mode-2 (True) or Mode-1.
        distance: [B], the critic's blocks to the goal; None in mode `react`, which doesn't ask.
        calls: [B], predictor calls spent.
        target: [B, D], what Mode-1 headed for: the goal (of several the one of the largest weight), or a subgoal as level 1
            sees it.
        route: the level above as a graph: the way over landmarks and the subgoal; None without one.
        above: the learned levels above: their plans and the subgoal; None without any.
    """

    actions: NDArray[np.float32]
    plan: Plan
    planned: Tensor
    distance: Tensor | None
    calls: Tensor
    target: Tensor
    route: LandmarkRoute | None = None
    above: SubgoalCommand | None = None
