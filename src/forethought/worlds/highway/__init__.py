"""highway-merge-v0 and highway-intersection-v0: roads of highway-env (Leurent 2018), and one driver whose intent is unseen.

At the merge a car comes down the ramp and either gives way or pushes in; at the intersection a car comes from the left and
either turns off or goes straight across. Nothing shows which until it is too late to stop for who has gone on at full
speed. What is here beside the package's roads, cars, lane followers and collisions stands in `traffic.py`.
"""

from forethought.worlds.highway.policies import POLICIES
from forethought.worlds.highway.scenes import SCENES, is_name
from forethought.worlds.highway.task_maker import make_highway_tasks
from forethought.worlds.highway.world import SUCCESS, HighwayMaker, HighwayOptions

__all__ = ["POLICIES", "SCENES", "SUCCESS", "HighwayMaker", "HighwayOptions", "is_name", "make_highway_tasks"]
