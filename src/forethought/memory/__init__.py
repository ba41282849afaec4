"""Short-term memory (the paper, figure 2, p. 8 and pp. 35-36): recent rows, retrieved actions, and failures of the episode.

`ShortTermMemory` keeps recent rows: context for the predictor, pairs of states for the critic. `NearestNeighborActions`
retrieves the actions taken in similar states: the planner's first candidates. `Belief` is learned: what the past tells beyond
the present observation; `BeliefState` holds it for the episodes in progress. `FailedPlanMemory` and `StalledWaypoints`
penalize plans and waypoints that failed in this episode.
"""

from forethought.memory.action_retrieval import NearestNeighborActions
from forethought.memory.belief import Belief, BeliefState
from forethought.memory.contract import Memory, memory_of
from forethought.memory.failed_plans import FailedPlanMemory
from forethought.memory.short_term import MomentPairs, Recent, ShortTermMemory
from forethought.memory.stalled_waypoints import StalledWaypoints

__all__ = [
    "Belief",
    "BeliefState",
    "FailedPlanMemory",
    "Memory",
    "MomentPairs",
    "NearestNeighborActions",
    "Recent",
    "ShortTermMemory",
    "StalledWaypoints",
    "memory_of",
]
