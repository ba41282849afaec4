"""Short-term memory (the paper, figure 2, p. 8 and pp. 35-36): the recent past, and what is known of the world.

`ShortTermMemory` keeps recent rows: context for the predictor, pairs of moments for the critic. `AssociativeMemory`
reads and writes by content. `CandidateBank` recalls what was done in similar states, to start the planner's search.
"""

from forethought.memory.associative import AssociativeMemory, Contents
from forethought.memory.bank import CandidateBank
from forethought.memory.dead_ends import DeadEnds
from forethought.memory.refusals import Refusals
from forethought.memory.short_term import Pairs, Recent, ShortTermMemory

__all__ = ["AssociativeMemory", "CandidateBank", "Contents", "DeadEnds", "Pairs", "Recent", "Refusals", "ShortTermMemory"]
