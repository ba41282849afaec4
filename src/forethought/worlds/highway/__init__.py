"""highway-merge-v0 and highway-intersection-v0: roads of highway-env (Leurent 2018), with one driver whose intent is hidden.

At the merge a car on the ramp either yields or cuts in. At the intersection a car from the left either turns off or goes
straight across. When the intent becomes visible, an ego at full speed can no longer stop. Roads, cars, lane following and
collisions are highway-env's; `traffic.py` adds the rest.
"""

from forethought.worlds.highway.policies import POLICIES
from forethought.worlds.highway.scenes import SCENES, is_name
from forethought.worlds.highway.task_maker import make_highway_tasks
from forethought.worlds.highway.world import SUCCESS, HighwayMaker, HighwayOptions

__all__ = ["POLICIES", "SCENES", "SUCCESS", "HighwayMaker", "HighwayOptions", "is_name", "make_highway_tasks"]
