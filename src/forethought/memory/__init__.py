"""Short-term memory (the paper, figure 2, p. 8 and pp. 35-36): recent rows, retrieved actions, and failures of the episode.

`ShortTermMemory` keeps recent rows: context for the predictor, pairs of states for the critic. `NearestNeighborActions`
retrieves the actions taken in similar states: the planner's first candidates. `FailedPlanMemory` and `StalledWaypoints`
penalize plans and waypoints that failed in this episode.
"""

from forethought.memory.action_retrieval import NearestNeighborActions
from forethought.memory.contract import Memory, memory_of
from forethought.memory.failed_plans import FailedPlanMemory
from forethought.memory.short_term import MomentPairs, Recent, ShortTermMemory
from forethought.memory.stalled_waypoints import StalledWaypoints

__all__ = [
    "FailedPlanMemory",
    "Memory",
    "MomentPairs",
    "NearestNeighborActions",
    "Recent",
    "ShortTermMemory",
    "StalledWaypoints",
    "memory_of",
]
