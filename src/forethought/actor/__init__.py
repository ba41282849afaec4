"""The actor (the paper, figure 2 and pp. 7-9): proposes action sequences, imagines them, takes the cheapest.

Mode-2 is a `Planner` behind one interface: CEM, iCEM, MPPI and gradient for continuous actions, categorical CEM for
discrete ones. Planners know no pixels, encoders or worlds: they see a `PlanningProblem` and give a `Plan`.
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
