"""The actor (the paper, figure 2 and pp. 7-9): finds the action sequence of least energy.

Mode-2 uses a `Planner`: CEM, iCEM, MPPI or gradient descent for continuous actions, categorical CEM for discrete ones.
Planners do not depend on pixels, encoders or worlds: they map a `PlanningProblem` to a `Plan`.
"""

from forethought.actor.categorical import CategoricalCEM
from forethought.actor.cem import CEM, ICEM
from forethought.actor.check import check_planner
from forethought.actor.contract import (
    Energy,
    Plan,
    Planner,
    PlanningProblem,
    Rollout,
    no_grad_candidate,
    shifted,
)
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.gradient import GradientPlanner
from forethought.actor.mppi import MPPI
from forethought.actor.registry import PLANNERS, make_planner

__all__ = [
    "CEM",
    "ICEM",
    "MPPI",
    "PLANNERS",
    "CategoricalCEM",
    "Energy",
    "EpisodeGenerators",
    "GradientPlanner",
    "Plan",
    "Planner",
    "PlanningProblem",
    "Rollout",
    "check_planner",
    "make_planner",
    "no_grad_candidate",
    "shifted",
]
