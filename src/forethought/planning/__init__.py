"""Planning at every level (Mode-2; the paper, sections 3.1.2 and 4.6): combines world model, cost, actor and memory.

`LevelPlanner` plans at one level, the same way at each. A `SubgoalSource` sets the goal of level 1: learned levels, a landmark
graph, or none. `MPCController` uses Mode-1 where its predicted outcome is good enough, and a searched plan elsewhere.
"""

from forethought.planning.decision_timer import DecisionTimer, DecisionTiming
from forethought.planning.level_planner import LevelPlan, LevelPlanner, PlanningLevel, planning_problem
from forethought.planning.levels import first_level, upper_level
from forethought.planning.mpc import MPCController, PolicyRollout, rollout_policy
from forethought.planning.planning_cost import PlanningCost
from forethought.planning.scenarios import Scenarios, sample_scenarios
from forethought.planning.subgoals import (
    FixedSubgoals,
    LandmarkSubgoals,
    LearnedLevels,
    NoSubgoals,
    SubgoalCommand,
    SubgoalSource,
    make_subgoals,
)

__all__ = [
    "DecisionTimer",
    "DecisionTiming",
    "FixedSubgoals",
    "LandmarkSubgoals",
    "LearnedLevels",
    "LevelPlan",
    "LevelPlanner",
    "MPCController",
    "NoSubgoals",
    "PlanningCost",
    "PlanningLevel",
    "PolicyRollout",
    "Scenarios",
    "SubgoalCommand",
    "SubgoalSource",
    "first_level",
    "make_subgoals",
    "planning_problem",
    "rollout_policy",
    "sample_scenarios",
    "upper_level",
]
